"""Telling a person how far training is."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["ConsoleProgress", "ProgressReporter", "SilentProgress", "Work", "stages"]


class ProgressReporter(Protocol):
    """Told of every stage and step; used as a context."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of ``total`` steps begins, ``done`` of them being done already."""

    def advance(self, done: int, note: str = "") -> None:
        """``done`` steps of the stage are done."""

    def say(self, text: str) -> None:
        """A line for the person who watches."""


Work = Callable[[ProgressReporter], bool]
"""Something long: tells how far it is, returns whether it finished or a signal broke it off."""


class SilentProgress:
    """Says nothing."""

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
    """A bar with an estimate on a terminal; elsewhere a line every few seconds.

    Args:
        console: where to write; by default standard error, so that output can be piped.
        every: seconds between two lines where there is no terminal.
    """

    def __init__(self, console: Console | None = None, every: float = 15.0) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._every = every
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._name, self._total, self._first = "", 0, 0
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See :class:`ProgressReporter`."""
        self._name, self._total, self._first = name, total, done
        self._began = self._spoke = time.monotonic()
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._bar.add_task(name, total=total, completed=done, note="")

    def advance(self, done: int, note: str = "") -> None:
        """See :class:`ProgressReporter`."""
        if self._console.is_terminal:
            self._bar.update(self._bar.task_ids[0], completed=done, note=note)
            return
        now = time.monotonic()
        if now - self._spoke < self._every:
            return
        self._spoke = now
        rate = (done - self._first) / max(now - self._began, 1e-9)
        left = f"{(self._total - done) / rate:.0f} s left" if rate > 0 else "no estimate yet"
        line = f"{self._name} {done}/{self._total}, {left}  {note}".rstrip()
        self._console.print(line, soft_wrap=True)

    def say(self, text: str) -> None:
        """See :class:`ProgressReporter`."""
        self._console.print(text, soft_wrap=True)


def stages(progress: ProgressReporter) -> Callable[[str, int, int], None]:
    """A reporter as the function (stage, done, total) that an evaluation calls.

    A stage of the same name that is less far than before is the next one: a classifier is trained
    with each learning rate, say. Its estimate must not count the time of those before.
    """
    current, far = "", 0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal current, far
        if stage != current or done < far:
            progress.stage(stage, total)
        current, far = stage, done
        progress.advance(done)

    return tell
