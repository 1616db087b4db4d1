"""``run.json``: what it says of a run at every moment, and that runs without it are refused."""

import json
import os
from pathlib import Path

import pytest

import natlib
from natlib.doctor import diagnose
from natlib.errors import CheckpointError, ConfigError, DivergedError, NatlibError
from natlib.protocols import run_protocol
from natlib.report import compare, write_report
from natlib.training import Run, RunDirectory, RunInfo, SilentProgress
from natlib.training.run_info import RunFailure
from tests.training.support import toy_config
from tests.training.test_bad_runs import full_at
from tests.training.test_exact_resume import StopAfter


def info_of(run: Path) -> RunInfo:
    return RunDirectory(run).read_info()


class Look(SilentProgress):
    """Reads what the run says of itself while it trains."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.seen: list[tuple[str, int]] = []

    def advance(self, done: int, note: str = "") -> None:
        info = info_of(self.run)
        self.seen.append((info.status, info.step))


def test_a_run_says_how_far_it_is_until_it_is_finished(tmp_path: Path) -> None:
    look = Look(tmp_path / "run")
    result = natlib.train(toy_config(epochs=2), tmp_path / "run", progress=look)
    # Five updates an epoch; what is done is known from the last checkpoint on.
    assert look.seen[:10] == [("running", 0)] * 5 + [("running", 5)] * 5
    info = info_of(tmp_path / "run")
    assert (info.status, info.step, info.updates, info.failure) == ("finished", 10, 10, None)
    assert (info.samples, info.unreadable, info.processes, info.device) == (80, 0, 1, "cpu")
    assert info.weights > 1000
    assert info.versions.keys() == {"natlib", "torch"}
    assert result.finished


def test_an_interrupted_run_says_so_and_goes_on(tmp_path: Path) -> None:
    natlib.train(toy_config(), tmp_path / "run", progress=StopAfter(7))
    assert (info_of(tmp_path / "run").status, info_of(tmp_path / "run").step) == ("interrupted", 7)
    run = Run.resume(tmp_path / "run")
    assert (info_of(tmp_path / "run").status, run.loop.position.step) == ("running", 7)
    run.train()
    assert (info_of(tmp_path / "run").status, info_of(tmp_path / "run").step) == ("finished", 20)


def test_a_run_that_diverged_names_the_error(tmp_path: Path) -> None:
    wild = toy_config(optimizer={"kind": "sgd", "learning_rate": 1e30})
    with pytest.raises(DivergedError) as caught:
        natlib.train(wild, tmp_path / "run")
    info = info_of(tmp_path / "run")
    assert info.status == "failed"
    assert info.failure == RunFailure(kind="DivergedError", message=str(caught.value))


def test_a_sentence_in_the_log_means_nothing(tmp_path: Path) -> None:
    natlib.train(toy_config(), tmp_path / "run")
    before = diagnose(tmp_path / "run")
    (tmp_path / "run" / "train.log").write_text(
        "2026-01-01 00:00:00,000 INFO training on 3 samples (0 unreadable), 9 updates, 1 weights, "
        "cpu x 7, from update 0\n2026-01-01 00:00:00,000 ERROR features became NaN or infinite\n"
    )
    assert diagnose(tmp_path / "run") == before
    assert before.updates == 20
    assert before.stopped_by is None


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    natlib.train(toy_config(epochs=1), tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    before = directory.read_info()
    monkeypatch.setattr(os, "replace", full_at(1)(os.replace))
    with pytest.raises(CheckpointError, match=r"run\.json could not be written: No space left"):
        directory.write_info(before.model_copy(update={"step": 99}))
    assert directory.read_info() == before
    assert not list((tmp_path / "run").glob("*.partial"))


def refusals(run: Path) -> set[str]:
    """What everything that reads a run says of it."""
    said = set()
    for read in (natlib.resume, diagnose, write_report, lambda r: run_protocol(r, "knn"),
                 lambda r: compare([r, r.parent])):  # fmt: skip
        with pytest.raises(NatlibError) as caught:
            read(run)
        said.add(str(caught.value))
    return said


def test_runs_of_another_format_are_refused_in_one_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    natlib.train(toy_config(epochs=1), run)
    advice = "use the natlib that wrote it, or train it anew (--overwrite replaces it)"
    values = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(values | {"format": 1}))
    assert refusals(run) == {f"the run {run} has format 1, this natlib reads format 2; {advice}"}
    # What it says is true.
    natlib.train(toy_config(epochs=1), run, overwrite=True)
    assert info_of(run).status == "finished"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 2, "stat": 1}'])
def test_a_damaged_one_is_one_line(text: str, tmp_path: Path) -> None:
    natlib.train(toy_config(epochs=1), tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=r"run\.json is damaged: .*--init-from") as caught:
        natlib.resume(tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_a_run_need_not_be_evaluated(tmp_path: Path) -> None:
    config = toy_config(epochs=1, evaluate=True)
    result = natlib.train(toy_config(epochs=1), tmp_path / "run")
    assert (result.evaluation, result.not_evaluated) == (None, "evaluation.final is false")
    assert not (tmp_path / "run" / "evaluations").exists()
    # Later it is what it would have been.
    later = natlib.resume(tmp_path / "run", config=config).evaluation
    assert later is not None
    assert later.rows == natlib.train(config, tmp_path / "whole").evaluation.rows
    assert later.rows == run_protocol(tmp_path / "run", "standard").rows
