"""What a person sees while they wait."""

import io
import re
import threading
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from natlib.runtime.progress import _TimeLeft, stages
from natlib.runtime.terminal import SafeConsole
from natlib.training import ConsoleProgress
from tests.cli.command import DIGITS, assert_done, natlib


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_without_a_terminal_there_are_lines_with_an_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("natlib.training.ConsoleProgress", partial(ConsoleProgress, every=0.0))
    settings = ("--set", "training.log_every_steps=2", "--set", "training.knn_every_epochs=2")
    said = assert_done(
        natlib("train", *DIGITS, *settings, "--epochs", "4", "--out", tmp_path / "[b] run")
    )
    updates = [line for line in lines(said.err) if line.startswith("training ")]
    pattern = (
        r"training (\d)/8, \d+ s left  loss \d+\.\d{3}  matched -?0\.\d{3} \(random 0\.\d{3}\)"
    )
    steps = [re.fullmatch(pattern, line) for line in updates]
    assert [found and int(found[1]) for found in steps] == list(range(1, 9))
    accuracies = [line for line in lines(said.err) if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in accuracies] == ["epoch 2", "epoch 4"]
    assert all(re.search(r"kNN accuracy \d+\.\d %$", line) for line in accuracies)
    for stage in ("reading samples 32/32", "embedding training samples", "fitting probes 5/5"):
        assert any(line.startswith(stage) for line in lines(said.err)), stage
    # Nothing of it on standard output, which may go into a pipe.
    assert "training 1/8" not in said.out


def test_what_is_done_again_gets_an_estimate_of_its_own() -> None:
    """A classifier is trained with each learning rate: the same name, from the beginning."""
    out = io.StringIO()
    with mock.patch("time.monotonic") as clock:
        clock.return_value = 0.0
        tell = stages(ConsoleProgress(SafeConsole(file=out), every=5.0))
        for moment, done in ((1.0, 1), (50.0, 90), (60.0, 1), (70.0, 11)):
            clock.return_value = moment
            tell("MLP on head", done, 100)
    assert lines(out.getvalue()) == [
        "MLP on head 90/100, 5 s left",  # 89 in 49 s, since the first was told
        "MLP on head 11/100, 81 s left",
    ]


def test_the_estimate_counts_what_was_done_in_this_start() -> None:
    out = io.StringIO()
    with mock.patch("time.monotonic", side_effect=[0.0, 0.0, 10.0, 12.0, 40.0]) as clock:
        progress = ConsoleProgress(SafeConsole(file=out), every=5.0)
        progress.stage("training", 100, done=60)
        progress.advance(70)
        assert lines(out.getvalue()) == ["training 70/100, 30 s left"]
        # Sooner than five seconds after the last line: none.
        progress.advance(75)
        progress.advance(80, "loss 1")
    assert clock.call_count == 5
    assert [line.strip() for line in lines(out.getvalue())][1:] == [
        "training 80/100, 40 s left  loss 1"
    ]


def test_the_estimate_moves_while_a_step_takes_long() -> None:
    out = io.StringIO()
    with mock.patch("time.monotonic", return_value=0.0) as clock:
        progress = ConsoleProgress(SafeConsole(file=out), every=5.0)
        progress.stage("training", 10)
        for moment in (5.0, 10.0, 12.0):
            progress._line_if_due(moment)  # as the clock of its own does
        clock.return_value = 20.0
        progress.advance(1, "loss 2")
        for moment in (24.0, 30.0, 900.0):
            progress._line_if_due(moment)
    assert [line.strip() for line in lines(out.getvalue())] == [
        "training 0/10, no estimate yet",
        "training 0/10, no estimate yet",
        "training 1/10, 180 s left  loss 2",
        "training 1/10, 170 s left  loss 2",
        "training 1/10, 0 s left  loss 2",
    ]


def test_the_bar_has_an_estimate_from_the_first_step_on() -> None:
    out = io.StringIO()
    console = SafeConsole(file=out)
    console._force_terminal = True
    console.width = 200
    with mock.patch("time.monotonic", return_value=0.0) as clock:
        progress = ConsoleProgress(console)
        progress.stage("training", 10)
        (task,) = progress._bar.tasks
        (column,) = (c for c in progress._bar.columns if isinstance(c, _TimeLeft))
        said = [str(column.render(task))]
        clock.return_value = 20.0
        progress.advance(1, "loss 2")
        for clock.return_value in (20.0, 50.0):
            said.append(str(column.render(task)))
    assert said == ["no estimate yet", "0:03:00 left", "0:02:30 left"]


def test_lines_come_by_themselves_and_end_with_the_work() -> None:
    out, waited = io.StringIO(), threading.Event()
    console = SafeConsole(file=out)
    with mock.patch.object(console, "say", side_effect=lambda *_: waited.set()):
        with ConsoleProgress(console, every=0.001) as progress:
            progress.stage("training", 10)
            assert waited.wait(60)
            ticking = progress._lines
            assert ticking is not None
        assert not ticking._thread.is_alive()
