"""What a run writes down: metrics, log, and what its directory holds from the start."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from natlib.errors import ConfigError, DataError, RunNotFoundError
from natlib.training import RunDirectory
from natlib.training.recorder import Recorder
from tests.evaluation.gaussian_blobs import BlobSamples, blobs
from tests.training.support import INFO, toy_config


def recorded(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def record(run: Path, steps: range, resume_step: int = 0, **values: float) -> None:
    recorder = Recorder(run, resume_step)
    for step in steps:
        recorder.record(step, step // 5, {"loss": float(step), **values})
    recorder.close()


def test_recorder_drops_what_is_about_to_be_made_again(tmp_path: Path) -> None:
    record(tmp_path, range(1, 10), old=1.0)
    record(tmp_path, range(7, 12), resume_step=6, new=1.0)
    lines = recorded(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 12))
    assert ["old" in line for line in lines] == [True] * 6 + [False] * 5
    assert [line["loss"] for line in lines] == [float(step) for step in range(1, 12)]
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.jsonl",
        "tensorboard",
        "train.log",
    }


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    run = tmp_path / "run"
    run.mkdir()
    (run / "tensorboard").symlink_to(tmp_path / "elsewhere")
    record(run, range(1, 3))
    assert not (run / "tensorboard").is_symlink()
    assert len(list((run / "tensorboard").iterdir())) == 1
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("left", ['{"step": 6, "lo', "\x00\x00\x00", '{"step": 6}\n{"st'])
def test_recorder_drops_half_a_line(left: str, tmp_path: Path) -> None:
    record(tmp_path, range(1, 6))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(left)
    record(tmp_path, range(6, 8), resume_step=5)
    assert [line["step"] for line in recorded(tmp_path)] == list(range(1, 8))


def test_recorder_keeps_six_digits(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.record(1, 0, {"small": 1.23456789e-7, "large": 123456789.0, "none": 0.0})
    recorder.close()
    (line,) = recorded(tmp_path)
    assert (line["small"], line["large"], line["none"]) == (1.23457e-7, 1.23457e8, 0.0)


def test_recorders_of_two_runs_do_not_write_into_each_other(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = Recorder(tmp_path / "one")
    logging.getLogger("natlib").info("of the first")
    first.close()
    second = Recorder(tmp_path / "two")
    logging.getLogger("natlib").info("of the second")
    second.close()
    assert "of the second" not in (tmp_path / "one" / "train.log").read_text()
    assert "of the first" not in (tmp_path / "two" / "train.log").read_text()
    assert (tmp_path / "two" / "train.log").read_text().endswith("INFO of the second\n")


def begun(path: Path, samples: BlobSamples) -> RunDirectory:
    directory = RunDirectory(path)
    path.mkdir(exist_ok=True)
    directory.begin(toy_config(), samples, INFO)
    directory.write_config(toy_config())
    return directory


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.names.pop(), "1 sample removed (such as 9.vec)"),
        (lambda s: s.names.extend(["a", "b"]), "2 samples added (such as a)"),
        (
            lambda s: s.names.__setitem__(4, "x"),
            "1 sample added (such as x) and 1 sample removed (such as 4.vec)",
        ),
        (lambda s: s.labels.__setitem__(0, 2), "labels or contents differ"),
        (lambda s: s.names.reverse(), "labels or contents differ"),
    ],
)
def test_other_samples_are_told_apart(change: Any, expected: str, tmp_path: Path) -> None:
    directory = begun(tmp_path, blobs(10))
    directory.check_same_samples(blobs(10))  # type: ignore[arg-type]
    other = blobs(10)
    change(other)
    with pytest.raises(DataError) as caught:
        directory.check_same_samples(other)  # type: ignore[arg-type]
    assert f"has changed since the run {tmp_path} began: {expected}; " in str(caught.value)


def test_environment_is_noted_at_every_start(tmp_path: Path) -> None:
    directory = begun(tmp_path, blobs(10))
    for left in ("", "{", "3", '[{"time": "then"}]'):
        (tmp_path / "environment.json").write_text(left)
        directory.write_environment()
        starts = json.loads((tmp_path / "environment.json").read_text())
        assert len(starts) == (2 if "then" in left else 1)
        assert starts[-1]["versions"].keys() >= {"natlib", "torch"}


def test_reading_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="holds no natlib run"):
        RunDirectory(tmp_path / "gone").read_config()
    (tmp_path / "run.json").write_text(INFO.model_dump_json())
    (tmp_path / "config.yaml").write_text("data: {kind: gaussian_blobs, tran: 3}")
    with pytest.raises(ConfigError, match=r"config.yaml: unknown key 'data.tran'; did you mean"):
        RunDirectory(tmp_path).read_config()
