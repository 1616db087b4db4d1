"""Files of a run that somebody else made: pipes, devices, bombs and nests take one line."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from natlib.errors import NatlibError
from natlib.report.fit import read_table
from natlib.runs import read_run_log
from natlib.runtime.log import logger
from natlib.training import RunDirectory
from natlib.training.checkpoint import read_checkpoint
from natlib.training.recorder import Recorder
from natlib.training.results import read_evaluations
from tests.cli.command import assert_refused, natlib


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def _checkpoint(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


READ: dict[str, Callable[[Path], Any]] = {
    "config.yaml": lambda run: RunDirectory(run).read_config(),
    "run.json": lambda run: RunDirectory(run).read_info(),
    "metrics.jsonl": read_run_log,
    "samples.jsonl.gz": lambda run: RunDirectory(run).sample_names(),
    "evaluations/standard.json": lambda run: read_evaluations(RunDirectory(run)),
    "state.json": lambda run: read_checkpoint(_checkpoint(run), *_NOTHING),
    "weights.safetensors": lambda run: read_table(_checkpoint(run), "", 32),
}
_NOTHING: Any = (None, None, None)


def place(run: Path, name: str) -> Path:
    inside = _checkpoint(run) if name in ("state.json", "weights.safetensors") else run
    return inside / name


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_read(copy: Path, name: str, what: str) -> None:
    file = place(copy, name)
    file.unlink()
    if what == "pipe":
        os.mkfifo(file)
    elif what == "device":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    with pytest.raises(NatlibError) as caught:
        READ[name](copy)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "checkpoint" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in READ if name.endswith((".json", ".jsonl"))])
def test_nests_are_not_followed(copy: Path, name: str) -> None:
    place(copy, name).write_text('{"a": ' * 100_000 + "\n{}\n")
    with pytest.raises(NatlibError):
        READ[name](copy)


def test_a_nest_at_the_end_of_the_metrics_is_a_line_that_was_cut_off(copy: Path) -> None:
    whole = read_run_log(copy)
    with (copy / "metrics.jsonl").open("a") as file:
        file.write("[" * 100_000)
    assert read_run_log(copy).metrics == whole.metrics
    Recorder(copy, resume_step=whole.step).close()
    assert (copy / "metrics.jsonl").stat().st_size < 100_000


@pytest.mark.parametrize("name", ["train.log", "metrics.jsonl"])
def test_what_is_added_to_is_a_file_of_the_run(copy: Path, tmp_path: Path, name: str) -> None:
    """A link would lead to any file of the user's, and a pipe nowhere."""
    mine, link = tmp_path / "mine", copy / name
    mine.write_text("")
    for target in (mine, tmp_path / "none"):
        link.unlink()
        link.symlink_to(target)
        recorder = Recorder(copy)
        logger.warning("one line")
        recorder.record(1, 0, {"loss": 1.0})
        recorder.close()
        assert not link.is_symlink()
        assert link.read_text()
        assert mine.read_text() == ""
        assert not (tmp_path / "none").exists()
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(OSError, match="a named pipe"):
        Recorder(copy)


def test_a_configuration_does_not_outgrow_the_checkpoint(copy: Path) -> None:
    config = copy / "config.yaml"
    text = config.read_text()
    assert text.count("widths:\n  - 4\n  - 8\n") == 1
    config.write_text(text.replace("  - 4\n  - 8\n", "  - 100000\n  - 100000\n"))
    assert_refused(
        natlib("train", "--resume", copy),
        "the run's config.yaml describes a model of more than", "and its weights have",
    )  # fmt: skip


def test_names_that_unpack_to_far_more_are_not_read(copy: Path) -> None:
    with gzip.open(copy / "samples.jsonl.gz", "wb") as file:
        file.write(json.dumps({"fingerprint": "x"}).encode() + b"\n")
        for _ in range(80):
            file.write(b'"' + b"0" * (1 << 20) + b'"\n')
    with pytest.raises(NatlibError, match="unpacks to far more"):
        RunDirectory(copy).sample_names()


_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("laughs.yaml", _LAUGHS),
        ("merge.yaml", "a: &a {<<: *a}\n"),
        ("itself.yaml", "&a [*a]\n"),
        ("lists.yaml", "data: " + "[" * 10_000),
        ("mappings.yaml", "{data: " * 10_000),
        ("keys.yaml", "? " * 10_000),
        ("indented.yaml", "".join(" " * n + "a:\n" for n in range(2_000))),
        ("tag.yaml", "!!python/object/apply:os.system [evil]\n"),
        ("lists.json", '{"data": ' + "[" * 100_000),
        ("objects.json", '{"data": ' * 100_000),
        ("number.json", '{"training": {"epochs": 1' + "0" * 10_000 + "}}"),
    ],
    ids=lambda value: value if len(value) < 30 else "",
)
def test_a_configuration_that_is_a_bomb_takes_one_line(
    name: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert_refused(
        natlib("config", "show", "--modality", "vector", "--config", tmp_path / name), name
    )


def test_a_configuration_that_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.yaml")
    for file, what in ((tmp_path / "c.yaml", "a named pipe"), (Path("/dev/zero"), "a device")):
        assert_refused(natlib("config", "show", "--config", file), str(file), what)
