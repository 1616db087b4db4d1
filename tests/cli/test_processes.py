"""The command as a process: exit codes, signals, several processes."""

import json
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest

from natlib.evaluation import Evaluation
from natlib.training.checkpoint import latest_checkpoint
from tests.cli.command import DIGITS, Said, assert_done, assert_refused, content, natlib
from tests.cli.test_training import cells, table_of
from tests.processes import Moment, in_two_processes, run_python

# The installed command, or what it stands for.
NATLIB = [found] if (found := shutil.which("natlib")) else ["-m", "natlib_cli"]
HERE = Path(__file__).parent
# Scripts run in processes that torchrun forks: fresh ones take seconds each to start.
TORCHRUN = [
    "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
    "--start-method", "fork", "--run-path",
]  # fmt: skip
WIDE = {"COLUMNS": "200"}
SETTINGS = ("training.log_every_steps=1", "training.knn_every_epochs=null")
LONG = ("--epochs", "4", *(word for setting in SETTINGS for word in ("--set", setting)))
UPDATES = 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_the_command_that_it_prints_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    run = "a run's folder"
    words = [*NATLIB, "train", *DIGITS, *LONG, "--out", run]
    third = Moment("torch.optim.AdamW.step", 3, number=number)
    said = run_python(*words, folder=tmp_path, variables=WIDE, moment=third)
    assert said.code == 128 + number, said
    asked = "Finishing this update; press Ctrl-C again to stop now.\n"
    assert said.err == (asked if number == signal.SIGINT else "")
    stopped, resume = said.out.splitlines()
    assert stopped == "Interrupted after update 3; a checkpoint is written. Go on with:"
    assert latest_checkpoint(tmp_path / run / "checkpoints").name == "step-000000003"
    words = shlex.split(resume)
    assert words == ["natlib", "train", "--resume", run]
    rest = run_python(*NATLIB, *words[1:], folder=tmp_path, variables=WIDE)
    assert rest.code == 0, rest.err
    assert f"The run is in {run}\n" in rest.out
    standard = tmp_path / run / "evaluations" / "standard.json"
    evaluation = Evaluation.from_json(standard.read_text())
    assert cells(rest.out) == table_of(evaluation)
    lines = (tmp_path / run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, UPDATES + 1))
    starts = json.loads((tmp_path / run / "environment.json").read_text())
    assert [start["command"][1:] for start in starts][1] == ["train", "--resume", run]


def test_an_error_is_one_line_of_the_process_too(tmp_path: Path) -> None:
    command = [*NATLIB, "train", "--modality", "image", "--data", "gone"]
    assert_refused(run_python(*command, folder=tmp_path, variables=WIDE), "'gone'")
    assert not list(tmp_path.iterdir())


def test_two_processes_speak_once_stop_together_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    words = [*TORCHRUN, HERE / "told_to_stop.py", "train", *DIGITS, *LONG, "--out", "run"]
    said = run_python(*words, folder=tmp_path, variables=WIDE)
    assert said.code != 0
    assert said.out.count("Interrupted after update 3;") == 1
    assert "\n  torchrun --nproc-per-node 2 -m natlib_cli train --resume run\n" in said.out
    assert ", cpu x 2, from update 0" in (run / "train.log").read_text()
    # As torchrun would start them.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", WIDE["COLUMNS"])
    rest, silent = in_two_processes(natlib, "train", "--resume", "run")
    assert rest.code == 0, rest.err
    assert rest.out.count("The run is in run\n") == 1
    assert silent == Said(0, "", "")
    evaluation = Evaluation.from_json((run / "evaluations" / "standard.json").read_text())
    assert cells(rest.out) == table_of(evaluation)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, UPDATES + 1))


def test_torchrun_restarts_all_when_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elastic = ["--max-restarts", "1", "--monitor-interval", "0.05", HERE / "killed_once.py"]
    words = ("train", *DIGITS, *LONG, "--out", "run", "--continue")
    said = run_python(*TORCHRUN, *elastic, *words, folder=tmp_path, variables=WIDE)
    assert said.code == 0, said.err
    assert said.out.count("The run is in run\n") == 1
    log = (tmp_path / "run" / "train.log").read_text()
    # From the end of the first epoch: two updates, and the third was lost.
    assert re.findall(r"from update (\d+)", log) == ["0", "2"]
    # Where the other process had time to say something, it was one line.
    assert "natlib/training/run.py" not in said.err
    # It ends as one does that nobody disturbs.
    (tmp_path / "calm").mkdir()
    monkeypatch.chdir(tmp_path / "calm")
    assert in_two_processes(natlib, *words)[0].code == 0
    left, right = (folder / "run" for folder in (tmp_path, tmp_path / "calm"))
    assert losses(left) == losses(right)
    assert len(losses(left)) == UPDATES
    for name in ("encoder", "head"):
        weights = [(run / "model" / f"{name}.safetensors").read_bytes() for run in (left, right)]
        assert weights[0] == weights[1]


def losses(run: Path) -> list[tuple[int, float]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"]) for line in lines]


class Impatient:
    """Presses Ctrl-C twice at the third update; stands for the progress on the console."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __enter__(self) -> "Impatient":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def stage(self, name: str, total: int, done: int = 0) -> None:
        return

    def advance(self, done: int, note: str = "") -> None:
        if done == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = Impatient()
    monkeypatch.setattr("natlib.training.ConsoleProgress", lambda: impatient)
    run = tmp_path / "run"
    handler = signal.getsignal(signal.SIGINT)
    said = natlib("train", *DIGITS, *LONG, "--epochs", "2", "--out", run)
    assert said == Said(130, "", "Stopped.\n")
    where = "The last checkpoint is that of update 2. To go on from there:"
    assert impatient.said == [
        "Finishing this update; press Ctrl-C again to stop now.",
        f"{where} natlib train --resume {run}",
    ]
    assert signal.getsignal(signal.SIGINT) is handler
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000000002"]
    monkeypatch.undo()
    assert natlib("train", "--resume", run).code == 0


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_in_the_final_evaluation_leaves_a_trained_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    monkeypatch.setattr("natlib.training.evaluation.evaluate", stop)
    said = natlib("train", *DIGITS, "--out", run)
    resume = f"Training is finished. To evaluate it: natlib train --resume {run}"
    assert (said.code, said.out, said.err.splitlines()[-2:]) == (130, "", [resume, "Stopped."])
    monkeypatch.undo()
    assert "linear probe" in assert_done(natlib("train", "--resume", run)).out


@pytest.mark.parametrize("command", ["eval", "embed", "report", "doctor"])
def test_ctrl_c_in_other_commands_is_one_line(
    command: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(run)
    monkeypatch.setattr("torch.nn.Module.__call__", stop)
    more = ("digits", "--out", tmp_path / "x.npz") if command == "embed" else ()
    said = natlib(command, run, *more)
    assert (said.code, said.err.splitlines()[-1]) == (130, "Stopped.")
    assert said.err.count("\n") == 1
    assert content(run) == before
    assert not list(tmp_path.iterdir())


def test_ctrl_c_before_training_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["natlib.training.opening"], "prepare", stop)
    said = natlib("train", *DIGITS, "--out", tmp_path / "run")
    assert said == Said(130, "", "Stopped.\n")
    assert not (tmp_path / "run").exists()
