"""Benchmarks of combined objectives and of a few labels: whole tables, records, no run twice."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import combined, semi
from natlib.objectives import NAT, Combined
from tests.image.pictures import noise, write


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for split, count in (("train", 16), ("test", 6)):
        for kind in ("a", "b"):
            for number in range(count):
                pixels = noise(16, 16, seed=1000 * ord(kind) + number + 100 * len(split))
                write(tmp_path / "images" / split / kind / f"{number}.png", pixels)
    return tmp_path / "images"


def table(
    main: object,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[list[str]]:
    """The cells of what a benchmark prints."""
    monkeypatch.setattr(sys, "argv", ["benchmark", *words])
    main()  # type: ignore[operator]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_combined(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = tmp_path / "combined.json"
    small = ["--epochs", "1", "--max-samples", "32", "--batch-size", "16", "--partners", "sigreg"]
    words = [str(images), "--out", str(tmp_path / "runs"), "--record", str(record), *small]
    cells = table(combined.main, words, monkeypatch, capsys)
    assert [row[0] for row in cells[1:]] == ["nat", "sigreg", "nat + sigreg", "start", "raw"]
    # Parts that are together are compared, and only they.
    assert [bool(row[3]) for row in cells[1:]] == [False, False, True, False, False]
    rows = json.loads(record.read_text())["rows"]
    assert float(cells[3][1]) == pytest.approx(rows["nat + sigreg"][0]["encoder"]["knn"], abs=0.05)
    for config in (tmp_path / "runs").iterdir():
        config.joinpath("config.yaml").unlink()  # or a second training would begin with it
    assert table(combined.main, words, monkeypatch, capsys) == cells


def test_weights_beside_nat() -> None:
    for name, (objective, weight) in combined.PARTNERS.items():
        both = combined.beside_nat(NAT(), name)
        assert isinstance(both, Combined)
        assert list(both.parts) == ["nat", name]
        assert both.parts["nat"].weight == 1
        assert (both.parts[name].objective, both.parts[name].weight) == (objective, weight)


def test_semi(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(semi.UPDATES, "cifar10", 1)
    record = tmp_path / "semi.json"
    words = [
        f"cifar10={images}", "--out", str(tmp_path / "runs"), "--record", str(record),
        "--parts", "25%", "2", "--set", "training.epochs=1", "--set", "training.batch_size=16",
        "--set", "encoder.widths=[4, 4]",
    ]  # fmt: skip
    cells = table(semi.main, words, monkeypatch, capsys)
    assert cells[0] == ["cifar10", "25 % (8)", "2 per class (4)"]
    assert len(cells) == 1 + 9
    found = json.loads(record.read_text())["sets"]["cifar10"]
    for part in ("25%", "2"):
        for row, accuracy in found[part][0]["rows"].items():
            assert any(row == cell[0] and f"{accuracy:.1f}" in cell for cell in cells)
        assert set(found[part][0]["pseudo_label_accuracy"]) == {
            "NAT with class targets",
            "both",
        }
    monkeypatch.setattr(semi, "run_protocol", None)  # what is kept is not measured again
    assert table(semi.main, words, monkeypatch, capsys) == cells
    # Seeds of another sitting, and other sets, stay in the record.
    known = json.loads(record.read_text())
    known["sets"]["cifar10"]["2"].append(found["2"][0] | {"seed": 5})
    known["sets"]["trec"] = {"4": found["2"]}
    record.write_text(json.dumps(known))
    both = table(semi.main, words, monkeypatch, capsys)
    added = json.loads(record.read_text())["sets"]
    assert [one["seed"] for one in added["cifar10"]["2"]] == [0, 5]
    assert added["cifar10"]["25%"] == found["25%"]
    assert added["trec"] == {"4": found["2"]}
    assert both[1][1:] == [cells[1][1], f"{cells[1][2]} ± 0.0"]
