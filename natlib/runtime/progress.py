"""Report the progress of long work."""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from natlib.runtime.terminal import SafeConsole

__all__ = ["ConsoleProgress", "ProgressReporter", "SilentProgress", "Work", "stages"]


class ProgressReporter(Protocol):
    """Receives the progress of every stage; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of ``total`` steps begins, of which ``done`` are done already."""

    def advance(self, done: int, note: str = "") -> None:
        """``done`` steps of the current stage are done."""

    def say(self, text: str) -> None:
        """A line of text for the user."""


Work = Callable[[ProgressReporter], bool]
"""Long work: reports its progress, and returns whether it finished or a signal interrupted it."""


class SilentProgress:
    """Reports nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See :class:`ProgressReporter`."""

    def advance(self, done: int, note: str = "") -> None:
        """See :class:`ProgressReporter`."""

    def say(self, text: str) -> None:
        """See :class:`ProgressReporter`."""


class _Estimate:
    """How long a stage still takes, by its latest steps.

    Args:
        total: steps of the stage.
        done: those that were done before it began.
        now: the time, in seconds.
    """

    def __init__(self, total: int, done: int, now: float) -> None:
        self._total = total
        # Of the last hundred calls: the first update takes longest, and views may change.
        self._known = deque([(now, done)], maxlen=100)

    @property
    def done(self) -> int:
        return self._known[-1][1]

    def advance(self, done: int, now: float) -> None:
        self._known.append((now, done))

    def seconds_left(self, now: float) -> float | None:
        """None before the first step is done; falls while a step is under way."""
        (began, first), (last, done) = self._known[0], self._known[-1]
        if done <= first:
            return None
        each = max(last - began, 1e-9) / (done - first)
        return max(0.0, (self._total - done) * each - (now - last))


class _TimeLeft(ProgressColumn):
    """The estimate of a stage, anew each time that the bar is drawn."""

    def render(self, task: Task) -> Text:
        left = task.fields["estimate"].seconds_left(time.monotonic())
        if left is None:
            return Text("no estimate yet")
        return Text(f"{timedelta(seconds=round(left))} left")


class ConsoleProgress:
    """A progress bar with an estimate on a terminal; elsewhere a line every few seconds.

    Both go on while a step takes long.

    Args:
        console: where to write; by default standard error, so that output can be piped.
        every: seconds between two lines without a terminal.
    """

    def __init__(self, console: SafeConsole | None = None, every: float = 15.0) -> None:
        self._console = console or SafeConsole(stderr=True)
        self._every = every
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            _TimeLeft(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._name, self._total, self._note = "", 0, ""
        self._estimate: _Estimate | None = None
        self._printed = time.monotonic()
        self._lines: _Ticking | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        elif self._every > 0:
            self._lines = _Ticking(self._every, self._line_if_due)
            self._lines.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._lines is not None:
            self._lines.stop()
            self._lines = None
        self._estimate = None

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See :class:`ProgressReporter`."""
        now = time.monotonic()
        self._name, self._total, self._note = name, total, ""
        self._estimate, self._printed = _Estimate(total, done, now), now
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._bar.add_task(name, total=total, completed=done, note="", estimate=self._estimate)

    def advance(self, done: int, note: str = "") -> None:
        """See :class:`ProgressReporter`."""
        now = time.monotonic()
        self._note = note
        if self._estimate is not None:
            self._estimate.advance(done, now)
        if self._console.is_terminal:
            self._bar.update(self._bar.task_ids[0], completed=done, note=note)
        else:
            self._line_if_due(now)

    def _line_if_due(self, now: float) -> None:
        estimate = self._estimate
        if estimate is None or now - self._printed < self._every:
            return
        self._printed = now
        left = estimate.seconds_left(now)
        said = "no estimate yet" if left is None else f"{left:.0f} s left"
        line = f"{self._name} {estimate.done}/{self._total}, {said}  {self._note}"
        self._console.say(line.rstrip())

    def say(self, text: str) -> None:
        """See :class:`ProgressReporter`."""
        self._console.say(text)


class _Ticking:
    """Calls a function with the time, every so many seconds, from a thread of its own."""

    def __init__(self, seconds: float, function: Callable[[float], None]) -> None:
        self._seconds, self._function = seconds, function
        self._stopped = threading.Event()
        # Does not outlive the program.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._function(time.monotonic())


def stages(progress: ProgressReporter) -> Callable[[str, int, int], None]:
    """A function (stage, done, total) that reports to ``progress``.

    If ``done`` falls, a new stage of the same name begins, such as the training of a classifier
    with the next learning rate; the estimate does not count the time of earlier ones.
    """
    current, last = "", 0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal current, last
        if stage != current or done < last:
            progress.stage(stage, total)
        current, last = stage, done
        progress.advance(done)

    return report
