"""Sources with defects: the doctor names the samples concerned."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

import natlib
from natlib.doctor import DATA_DIAGNOSES, DataReport, diagnose_data
from natlib.doctor.copies import copies_of
from tests.cli.command import damage, write_pictures


def pictures(folder: Path, count: int = 40) -> Path:
    """Two classes of pictures in the split ``train``, and a split ``test``."""
    for number, name in enumerate(("cat", "dog")):
        write_pictures(folder / "train" / name, count, first=number * count)
        write_pictures(folder / "test" / name, 10, first=1000 + 10 * number)
    return folder


def diagnosed(source: Path, kind: str = "image", *settings: str) -> DataReport:
    options = {"data": {"source": str(source)}}
    return diagnose_data(natlib.compose(kind, options=options, settings=settings).data)


def acts(report: DataReport) -> set[str]:
    return {name for name, finding in report.findings.items() if finding.verdict == "act"}


def test_images_without_defects(tmp_path: Path) -> None:
    report = diagnosed(pictures(tmp_path))
    assert not acts(report)
    assert report.healthy
    assert report.samples == {"train": 80, "test": 20}


def unreadable(folder: Path) -> list[str]:
    for number in range(6):
        damage(folder / "train" / "cat" / f"{number:03d}.png")
    return ["cat/000.png"]


def copied(folder: Path) -> list[str]:
    content = (folder / "train" / "cat" / "039.png").read_bytes()
    for number in range(10):
        (folder / "train" / "cat" / f"{number:03d}.png").write_bytes(content)
    return ["cat/000.png = ", "cat/001.png"]


def nearly_copied(folder: Path) -> list[str]:
    for number in range(6):
        pixels = np.array(PILImage.open(folder / "train" / "dog" / f"{40 + number:03d}.png"))
        pixels[0, 0] ^= 1
        PILImage.fromarray(pixels).save(folder / "train" / "cat" / f"{number:03d}.png")
    return ["cat/000.png ~ ", "dog/040.png"]


def leaked(folder: Path) -> list[str]:
    content = (folder / "train" / "cat" / "007.png").read_bytes()
    (folder / "test" / "cat" / "1003.png").write_bytes(content)
    return ["test: cat/1003.png = train: cat/007.png"]


def constant(folder: Path) -> list[str]:
    for number in (3, 4):
        black = PILImage.fromarray(np.full((8, 8), 10 * number, dtype=np.uint8))
        black.save(folder / "train" / "cat" / f"{number:03d}.png")
    return ["cat/003.png", "cat/004.png"]


def unbalanced(folder: Path) -> list[str]:
    for number in range(3, 40):
        (folder / "train" / "cat" / f"{number:03d}.png").unlink()
    return ["cat (3)"]


@pytest.mark.parametrize(
    ("break_data", "name"),
    [
        (unreadable, "unreadable samples"),
        (copied, "copies"),
        (nearly_copied, "near copies"),
        (leaked, "copies between splits"),
        (constant, "constant samples"),
        (unbalanced, "label balance"),
    ],
)
def test_a_defect_is_found(break_data, name: str, tmp_path: Path) -> None:
    words = break_data(pictures(tmp_path))
    report = diagnosed(tmp_path)
    assert acts(report) == {name}, report.findings
    finding = report.findings[name]
    assert finding.next_step
    assert finding.evidence
    for word in words:
        assert any(word in shown for shown in finding.names), finding.names


def test_texts_of_very_different_lengths(tmp_path: Path) -> None:
    lines = [f"the {n}th line says {n * n} and nothing more" for n in range(60)]
    lines += [" ".join(f"word{n}{k}" for k in range(200)) for n in range(5)]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    report = diagnosed(tmp_path / "lines.txt", "text")
    assert "sizes" in acts(report)
    finding = report.findings["sizes"]
    assert finding.evidence["size_max"] > 10 * finding.evidence["size_median"]
    assert finding.evidence["share_far_off"] == pytest.approx(5 / 65)
    assert len(finding.names) == 3
    # There are no labels, and there is only one split.
    for name in ("label balance", "copies between splits"):
        assert report.findings[name].verdict == "irrelevant"


def test_copies_of_sparse_rows_are_no_near_copies(tmp_path: Path) -> None:
    # TF-IDF leaves out words that occur in a single line.
    lines = [f"w{n} w{n + 1} w{n + 2} and w{n * n % 41}" for n in range(40)]
    (tmp_path / "lines.txt").write_text("\n".join([*lines, *lines[:10]]) + "\n")
    report = diagnosed(tmp_path / "lines.txt", "text")
    assert report.findings["copies"].evidence["spare_copies"] == 10
    assert report.findings["near copies"].verdict == "fine"
    assert report.findings["near copies"].evidence["compared"] == 40


@pytest.mark.parametrize("dim", [2, 12])
def test_random_rows_are_no_near_copies(dim: int, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(500, dim)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    assert not acts(diagnosed(tmp_path / "rows.npy", "vector"))


def test_groups_of_copies_are_in_the_order_of_their_first() -> None:
    digests = [b"a", b"b", b"a", b"c", b"b", b"a"]
    assert copies_of(digests) == [[0, 2, 5], [1, 4]]
    assert copies_of([]) == []


def test_every_diagnosis_of_data_is_tested() -> None:
    tested = {
        "unreadable samples", "copies", "near copies", "copies between splits",
        "constant samples", "label balance", "sizes",
    }  # fmt: skip
    assert tested == {each.name for each in DATA_DIAGNOSES}
