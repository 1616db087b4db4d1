"""``natlib doctor``: one line for what it cannot take, and what training says of it."""

import shutil
from pathlib import Path

import pytest

from tests.cli.command import Said, assert_done, assert_refused, damage, natlib


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["give a run directory, or a source with --data and --modality"]),
        (["run", "--data", "photos"], ["give RUN alone"]),
        (["run", "--modality", "image"], ["give RUN alone"]),
        (["nowhere"], ["nowhere holds no natlib run"]),
        (["--data", "photos"], ["no modality is named"]),
        (["--data", "photos", "--modality", "image"], ["'photos' is neither an existing path"]),
    ],
)
def test_what_it_cannot_take(
    arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(natlib("doctor", *arguments), *words)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The run that others share, to damage."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_samples_that_are_gone_leave_the_metrics(copy: Path) -> None:
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("source: digits", "source: /gone"))
    said = assert_done(natlib("doctor", copy))
    assert "unknown duplicates in the data: the samples cannot be read: the source" in said.out
    assert "fine    too few samples per batch for d" in said.out


def test_a_damaged_model_is_one_line(copy: Path) -> None:
    damage(copy / "model" / "encoder.safetensors")
    assert_refused(natlib("doctor", copy), "encoder.safetensors", "resuming the run")
    shutil.rmtree(copy / "model")
    said = assert_done(natlib("doctor", copy))
    assert "unknown head normalised wrongly: the run has no model yet" in said.out


def test_training_says_that_there_is_a_doctor(trained: tuple[Path, Said]) -> None:
    run, said = trained
    assert said.out.endswith(f"Does it work? natlib doctor {run}\n")
