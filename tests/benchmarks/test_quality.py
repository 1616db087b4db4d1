"""The arena of methods: equal searches, test images that no search sees, peers that keep the
contract of an objective.
"""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.quality.ablations import ABLATIONS
from benchmarks.quality.arenas import ARENAS
from benchmarks.quality.methods import METHODS
from benchmarks.quality.validation import validation_folder
from tests.image.pictures import noise, write


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for split, count in (("train", 12), ("test", 4)):
        for kind in ("a", "b"):
            for number in range(count):
                pixels = noise(16, 16, seed=1000 * ord(kind) + number + 100 * len(split))
                write(tmp_path / "images" / split / kind / f"{number}.png", pixels)
    return tmp_path / "images"


def names(folder: Path) -> set[Path]:
    return {path.resolve() for path in folder.rglob("*.png")}


def test_validation_images_are_training_images_that_are_not_trained_on(
    images: Path, tmp_path: Path
) -> None:
    made = validation_folder(images, tmp_path / "validation", 0.25)
    kept, aside = names(made / "train"), names(made / "test")
    assert len(aside) == 2 * 3
    assert not kept & aside
    assert kept | aside == names(images / "train")
    # Made once: what a search was judged on stays the same.
    assert names(validation_folder(images, tmp_path / "validation", 0.5) / "test") == aside


@pytest.mark.parametrize("name", METHODS)
def test_searches_are_equal(name: str) -> None:
    method = METHODS[name]
    trials = method.trials(12)
    assert trials[0] == method.start
    assert len({json.dumps(trial, sort_keys=True) for trial in trials}) == 12
    assert trials == method.trials(20)[:12]
    for trial in trials[1:]:
        assert trial.keys() == method.space.keys()
        assert all(trial[key] in values for key, values in method.space.items())


def test_settings_are_those_of_natlib() -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    import natlib
    from benchmarks.quality import peers

    for arena in ARENAS.values():
        common = arena.common(arena.final, 1)
        for method in METHODS.values():
            for trial in method.trials(2):
                natlib.compose("image", preset="nat", settings=[*common, *method.settings(trial)])
        best = METHODS["nat"].settings(METHODS["nat"].start)
        for settings in ABLATIONS.values():
            natlib.compose("image", preset="nat", settings=[*common, *best, *settings])
    assert {method.fixed["objective.kind"] for method in METHODS.values()} == {
        "nat",
        *(getattr(peers, name).model_fields["kind"].default for name in peers.__all__),
    }


def test_peers_keep_the_contract_of_objectives() -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    from benchmarks.quality import peers
    from natlib.testing import check_objective

    for name in peers.__all__:
        assert len(check_objective(getattr(peers, name)())) >= 14


def test_a_small_arena(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    from benchmarks.quality.__main__ import main

    def command(what: str, *more: str) -> list[str]:
        words = [what, "a", str(images), "--out", str(tmp_path / "runs"), "--size", "8", "1"]
        for setting in ("training.batch_size=4", "training.knn_every_epochs=1"):
            words += ["--set", setting]
        monkeypatch.setattr(sys, "argv", ["quality", *words, "--trials", "2", *more])
        main()
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]

    table = command("final", "--methods", "nat", "simclr", "--seeds", "0", "1")
    assert [line.split("|")[1].strip() for line in table[2:]] == [
        "nat", "simclr", "random encoder", "raw inputs",
    ]  # fmt: skip
    assert {line.split("|")[2].strip() for line in table[2:]} == {"2"}
    assert (tmp_path / "runs" / "a" / "curves.png").stat().st_size > 5_000
    # Runs that are there are read: nothing is trained again.
    made = sorted((tmp_path / "runs").rglob("summary.json"))
    times = [path.stat().st_mtime_ns for path in made]
    assert command("final", "--methods", "nat", "simclr", "--seeds", "0", "1") == table
    assert [path.stat().st_mtime_ns for path in made] == times
    # A search never opens the test images.
    for path in made:
        found = json.loads((path.parent / "evaluation.json").read_text())["details"]
        on_test = path.parent.parent.name == "final"
        assert found["test_samples"] == (8 if on_test else 2)
    rows = command("ablation", "--seeds", "0", "--only", "as it is", "m = 1")
    assert [line.split("|")[1].strip() for line in rows[2:4]] == ["as it is", "m = 1"]
