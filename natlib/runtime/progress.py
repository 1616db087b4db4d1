"""Report the progress of long work."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

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


class ConsoleProgress:
    """A progress bar with an estimate on a terminal; elsewhere a line every few seconds.

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
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._name, self._total, self._first = "", 0, 0
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See :class:`ProgressReporter`."""
        self._name, self._total, self._first = name, total, done
        self._began = self._printed = time.monotonic()
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._bar.add_task(name, total=total, completed=done, note="")

    def advance(self, done: int, note: str = "") -> None:
        """See :class:`ProgressReporter`."""
        if self._console.is_terminal:
            self._bar.update(self._bar.task_ids[0], completed=done, note=note)
            return
        now = time.monotonic()
        if now - self._printed < self._every:
            return
        self._printed = now
        rate = (done - self._first) / max(now - self._began, 1e-9)
        left = f"{(self._total - done) / rate:.0f} s left" if rate > 0 else "no estimate yet"
        self._console.say(f"{self._name} {done}/{self._total}, {left}  {note}".rstrip())

    def say(self, text: str) -> None:
        """See :class:`ProgressReporter`."""
        self._console.say(text)


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
