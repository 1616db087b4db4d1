"""Who may write to a run directory, and what a new run there does with what it finds."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import natlib
from natlib.errors import (
    CheckpointError,
    NatlibError,
    RunExistsError,
    RunLockedError,
    RunNotFoundError,
)
from natlib.training import Run, RunConfig, RunDirectory, SilentProgress
from natlib.training.run_lock import LOCK_FILE
from tests.cli.command import content
from tests.evaluation.gaussian_blobs import GaussianBlobs
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run

SHORT = {"epochs": 1, "batch_size": 40}  # two updates


class Notes(SilentProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class FailAt(Notes):
    """Raises an error at an update, before its checkpoint."""

    def __init__(self, step: int, error: BaseException) -> None:
        super().__init__()
        self.step = step
        self.error = error

    def advance(self, done: int, note: str = "") -> None:
        if done == self.step:
            raise self.error


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; copy it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    natlib.train(toy_config(**SHORT), run)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def replace(run: Path, config: RunConfig | None = None, **more: Any) -> Any:
    config = config or toy_config(**SHORT, seed=1)
    return natlib.train(config, run, overwrite=True, **more)


def test_a_run_is_replaced_whole(run: Path, tmp_path: Path) -> None:
    replace(run)
    natlib.train(toy_config(**SHORT, seed=1), tmp_path / "new")
    assert_same_run(tmp_path / "new", run)
    names = [
        {name for name in content(path) if "tfevents" not in name}
        for path in (run, tmp_path / "new")
    ]
    assert names[0] == names[1]
    assert len(list((run / "tensorboard").iterdir())) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"run", "new"}


def write_thesis(run: Path) -> None:
    (run / "thesis.tex").write_text("years of work")


def write_in_a_checkpoint(run: Path) -> None:
    (run / "checkpoints" / "step-000000002" / "notes.txt").write_text("mine")


def write_evaluation(run: Path) -> None:
    (run / "evaluations").mkdir()
    (run / "evaluations" / "figures.xlsx").write_text("mine")


def write_folder_for_file(run: Path) -> None:
    (run / "report.html").mkdir()
    (run / "report.html" / "index.html").write_text("mine")


def write_file_for_folder(run: Path) -> None:
    shutil.rmtree(run / "model")
    (run / "model").write_text("mine")


def write_link(run: Path) -> None:
    (run / "data").symlink_to(run.parent)


def write_hidden(run: Path) -> None:
    (run / ".git").mkdir()


def write_like_left_over(run: Path) -> None:
    (run / ".thesis.partial").write_text("mine")


FOREIGN = [
    (write_thesis, "thesis.tex"),
    (write_in_a_checkpoint, "checkpoints/step-000000002/notes.txt"),
    (write_evaluation, "evaluations/figures.xlsx"),
    (write_folder_for_file, "report.html"),
    (write_file_for_folder, "model"),
    (write_link, "data"),
    (write_hidden, ".git"),
    (write_like_left_over, ".thesis.partial"),
]


def refused(run: Path, *words: str, config: RunConfig | None = None) -> None:
    """Replacing it is refused in one line, and changes nothing."""
    before = content(run.parent)
    with pytest.raises(RunExistsError) as caught:
        replace(run, config)
    assert content(run.parent) == before
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("write", "name"), FOREIGN)
def test_what_natlib_did_not_write_is_not_deleted(write: Any, name: str, run: Path) -> None:
    write(run)
    refused(run, f"natlib did not write '{name}' in it")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "3", '{"name": "my-project"}', "\x00"])
def test_a_folder_is_no_run_for_its_names(text: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "config.yaml").write_text("data: {kind: image}\n")
    (project / "run.json").write_text(text)
    refused(project, "not a natlib run", "left alone")
    (project / "run.json").unlink()
    refused(project, "not a natlib run", "left alone")


def with_source(source: Path | str) -> RunConfig:
    config = toy_config(**SHORT)
    return config.model_copy(update={"data": GaussianBlobs(train=80, source=str(source))})


def test_data_in_a_run_or_around_it_are_not_deleted(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photos = run / "index" / "photos"
    photos.mkdir(parents=True)
    refused(run, str(photos), "is in it", config=with_source(photos))
    refused(run, "is in it", config=with_source(run))
    refused(run, "is around it", config=with_source(tmp_path))
    monkeypatch.chdir(tmp_path)
    refused(Path("run"), "is in it", config=with_source("run/index/photos"))
    (tmp_path / "link").symlink_to(photos)
    refused(run, "is in it", config=with_source("link"))
    # The name of a folder here is not the kind of something.
    (tmp_path / "adamw").symlink_to(run)
    # Of the run that is to be replaced.
    old = RunDirectory(run)
    old.write_config(with_source(photos))
    refused(run, f"{photos}, which it was trained with, is in it")
    old.write_config(toy_config(**SHORT))
    replace(run)


def test_the_current_directory_is_not_replaced(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run / "model")
    refused(run, "it holds the current directory")
    refused(Path(".."), "it holds the current directory")


def test_links_are_unlinked_and_not_followed(run: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    (run / "checkpoints").rename(scratch)
    (run / "checkpoints").symlink_to(scratch)
    (run / "report.html").symlink_to(scratch / "step-000000002" / "state.json")
    before = content(scratch)
    replace(run)
    assert content(scratch) == before
    assert not (run / "checkpoints").is_symlink()
    # The run itself is one.
    (tmp_path / "link").symlink_to(run)
    refused(tmp_path / "link", "is a link to")


def test_an_old_run_comes_back_when_the_new_one_fails_before_its_checkpoint(run: Path) -> None:
    before = content(run)
    for error in (OSError(5, "a cable"), KeyboardInterrupt()):
        progress = FailAt(1, error)
        with pytest.raises(type(error)):
            replace(run, progress=progress)
        assert content(run) == before
        assert "is back, since the new one failed" in progress.said[-1]
        assert [path.name for path in run.parent.iterdir()] == ["run"]
    # After its first checkpoint, the new one stays.
    more = {"epochs": 2, "batch_size": 40}
    with pytest.raises(OSError, match="a cable"):
        replace(run, toy_config(**more), progress=FailAt(3, OSError(5, "a cable")))
    assert RunDirectory(run).read_info().checkpoint == 2
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_an_old_run_stays_where_the_new_one_cannot_begin(run: Path) -> None:
    before = content(run)
    with pytest.raises(RunNotFoundError):
        replace(run, init_from=run.parent / "gone")
    assert content(run) == before


def moved_aside(run: Path, *written: str) -> Path:
    """As a kill leaves it while the run is replaced, when these files of the new one are there."""
    aside = RunDirectory(run).aside
    run.rename(aside)
    run.mkdir()
    for name in written:
        shutil.copy(aside / name, run / name)
    (run / ".config.yaml.4711.partial").write_text("data")
    return aside


@pytest.mark.parametrize("written", [(), ("run.json", "samples.jsonl.gz")])
@pytest.mark.parametrize("command", ["resume", "continue", "train", "overwrite", "read"])
def test_a_run_whose_replacement_never_began_comes_back(
    command: str, written: tuple[str, ...], run: Path
) -> None:
    before = content(run)
    aside = moved_aside(run, *written)
    notes = Notes()
    if command == "read":
        with pytest.raises(RunNotFoundError, match=f"is in {aside}; put it back"):
            RunDirectory(run).read_config()
        return
    if command == "resume":
        assert natlib.resume(run, progress=notes).finished
    elif command == "continue":
        done = natlib.train(toy_config(**SHORT), run, continue_run=True, progress=notes)
        assert done.found_finished
        assert content(run) == before
    elif command == "train":
        with pytest.raises(RunExistsError, match="exists; resume it"):
            natlib.train(toy_config(**SHORT), run, progress=notes)
        assert content(run) == before
    else:
        replace(run, progress=notes)
        assert RunDirectory(run).read_config().training.seed == 1
    assert notes.said == [
        f"The run that was in {run} is back, since the run that was to replace it never began."
    ]
    assert [path.name for path in run.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("command", ["resume", "overwrite"])
def test_a_replacement_that_has_begun_goes_on(command: str, run: Path) -> None:
    aside = moved_aside(run, "run.json", "samples.jsonl.gz", "config.yaml")
    info = RunDirectory(aside).read_info().model_copy(update={"checkpoint": None})
    (run / "run.json").write_text(info.model_dump_json())
    if command == "resume":
        natlib.resume(run)
    else:
        replace(run)
    assert RunDirectory(run).read_config().training.seed == (command == "overwrite")
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_what_somebody_writes_meanwhile_stays(run: Path) -> None:
    class Write(FailAt):
        def advance(self, done: int, note: str = "") -> None:
            (run / "notes.txt").write_text("mine")
            super().advance(done, note)

    before = content(run)
    progress = Write(1, OSError("a cable"))
    with pytest.raises(OSError, match="a cable"):
        replace(run, progress=progress)
    aside = RunDirectory(run).aside
    assert f"is in {aside}: it cannot be put back beside 'notes.txt'" in progress.said[-1]
    assert content(run).keys() == {"notes.txt"}
    assert content(aside) == before
    (run / "notes.txt").unlink()
    natlib.resume(run)
    assert RunDirectory(run).read_info().status == "finished"
    assert not aside.exists()


def test_a_failure_at_the_start_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        natlib.train(toy_config(), tmp_path / "a" / "b" / "run", init_from=tmp_path / "gone")
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunNotFoundError):
        natlib.train(toy_config(), tmp_path / "mine", init_from=tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_without_a_configuration_never_began(tmp_path: Path, run: Path) -> None:
    for file in ("config.yaml", "metrics.jsonl"):
        (run / file).unlink()
    for folder in ("checkpoints", "model"):
        shutil.rmtree(run / folder)
    with pytest.raises(RunNotFoundError, match="stopped before its configuration was written"):
        natlib.resume(run)
    write_thesis(run)
    with pytest.raises(RunExistsError, match=r"'thesis\.tex', which natlib did not write"):
        natlib.train(toy_config(**SHORT), run)
    (run / "thesis.tex").unlink()
    assert natlib.train(toy_config(**SHORT), run).finished


def test_a_run_without_a_checkpoint_begins_at_update_0(tmp_path: Path) -> None:
    natlib.train(toy_config(), tmp_path / "whole")
    with pytest.raises(OSError, match="a cable"):
        natlib.train(toy_config(), tmp_path / "run", progress=FailAt(3, OSError("a cable")))
    notes = Notes()
    natlib.resume(tmp_path / "run", progress=notes)
    assert notes.said == [f"{tmp_path / 'run'} has no checkpoint yet: it begins at update 0."]
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_weights_that_a_run_began_with_outlive_their_run(run: Path, tmp_path: Path) -> None:
    natlib.train(toy_config(), tmp_path / "whole", init_from=run)
    with pytest.raises(OSError, match="a cable"):
        natlib.train(
            toy_config(), tmp_path / "run2", init_from=run, progress=FailAt(3, OSError("a cable"))
        )
    shutil.rmtree(run)
    natlib.resume(tmp_path / "run2")
    assert_same_run(tmp_path / "whole", tmp_path / "run2")


def test_one_process_at_a_time_writes(run: Path, tmp_path: Path) -> None:
    going = Run.resume(run)
    before = content(run)
    held = json.loads((run / LOCK_FILE).read_text())
    assert held["pid"] == os.getpid()
    for attempt in (
        lambda: natlib.resume(run),
        lambda: replace(run),
        lambda: natlib.train(toy_config(**SHORT), run, continue_run=True),
    ):
        with pytest.raises(RunLockedError) as caught:
            attempt()
        assert f"process {held['pid']} on {held['host']} (since" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert content(run) == before
    # Reading is free.
    natlib.load(run)
    RunDirectory(run).read_config()
    going.train()
    assert not (run / LOCK_FILE).exists()
    natlib.resume(run)


def test_a_lock_ends_with_its_process_and_not_with_its_children(run: Path) -> None:
    reading, writing = os.pipe()
    holder = os.fork()
    if holder == 0:
        try:
            going = Run.resume(run)
            if os.fork() == 0:  # as a worker that decodes does, which may outlive it
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
            del going
        finally:
            os._exit(1)
    os.close(reading)
    assert os.waitpid(holder, 0)[1] == signal.SIGKILL
    assert (run / LOCK_FILE).exists()
    natlib.resume(run)
    os.close(writing)


def test_a_file_system_without_locks_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr("fcntl.flock", no_locks)
    notes = Notes()
    natlib.resume(run, progress=notes)
    (said,) = notes.said
    assert said.startswith(f"The file system of {run} has no locks")


def test_a_run_that_is_deleted_while_it_trains_ends_in_one_line(tmp_path: Path) -> None:
    for how in (shutil.rmtree, lambda path: path.rename(tmp_path / "elsewhere")):

        class Delete(SilentProgress):
            def advance(self, done: int, note: str = "", how: Any = how) -> None:
                if done == 3:
                    how(tmp_path / "run")

        with pytest.raises(CheckpointError) as caught:
            natlib.train(toy_config(), tmp_path / "run", progress=Delete())
        assert str(caught.value).startswith(f"the run directory {tmp_path / 'run'} is gone: ")
        assert "\n" not in str(caught.value)
        # It does not appear again, without what it needs.
        assert not (tmp_path / "run").exists()


def test_continuing_starts_goes_on_and_ends(tmp_path: Path, monkeypatch: Any) -> None:
    config, run = toy_config(evaluate=True), tmp_path / "run"
    whole = natlib.train(config, tmp_path / "whole")
    started = natlib.train(config, run, continue_run=True, progress=StopAfter(7))
    assert (started.step, started.finished) == (7, False)
    monkeypatch.setattr("natlib.training.run.final_evaluation", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        natlib.train(config, run, continue_run=True)
    monkeypatch.undo()
    # Trained, and not evaluated.
    evaluated = natlib.train(config, run, continue_run=True)
    assert (evaluated.evaluation, evaluated.found_finished) == (whole.evaluation, False)
    before = content(run)
    again = natlib.train(config, run, continue_run=True)
    assert (again.evaluation, again.found_finished) == (whole.evaluation, True)
    assert (again.step, again.finished) == (20, True)
    assert content(run) == before
    assert_same_run(tmp_path / "whole", run)


def test_continuing_evaluates_what_is_asked_for_now(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = natlib.train(toy_config(**SHORT), run, continue_run=True)
    assert first.not_evaluated == "evaluation.final is false"
    assert natlib.train(toy_config(**SHORT), run, continue_run=True).found_finished
    evaluated = toy_config(**SHORT, evaluate=True)
    for expected in (False, True):
        done = natlib.train(evaluated, run, continue_run=True)
        assert (done.found_finished, done.evaluation is None) == (expected, False)


def test_continuing_another_run_is_refused(run: Path, tmp_path: Path) -> None:
    for config, init_from, words in (
        (toy_config(**SHORT, seed=3), None, "training.seed was 0, now 3"),
        (toy_config(**SHORT, train=60), None, "data.train was 80, now 60"),
        (toy_config(**SHORT), run, f"its initial weights were random, now those of {run}"),
    ):
        before = content(run)
        with pytest.raises(NatlibError) as caught:
            natlib.train(config, run, init_from=init_from, continue_run=True)
        assert words in str(caught.value)
        assert content(run) == before
    write_thesis(tmp_path)
    with pytest.raises(NatlibError, match="not a natlib run"):
        natlib.train(toy_config(**SHORT), tmp_path, continue_run=True)
