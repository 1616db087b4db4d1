"""Catch signals, so that a run can stop at a point where nothing is lost."""

import contextlib
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interruption"]


class Interruption:
    """Records SIGTERM and the first Ctrl-C; a second Ctrl-C raises KeyboardInterrupt.

    Args:
        tell: told what the first Ctrl-C does; by default nobody is.
        doing: what is finished before it stops, ``"this update"`` say.

    Attributes:
        signal: the signal received, or None.
    """

    def __init__(self, tell: Callable[[str], None] | None = None, doing: str = "") -> None:
        self._tell = tell
        self._doing = doing
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:
                # Only the main thread can handle signals; in another one the caller does.
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        if number == signal.SIGINT and self._tell is not None:
            # The signal may have come in the middle of a line that is being written.
            with contextlib.suppress(RuntimeError):
                self._tell(f"Finishing {self._doing}; press Ctrl-C again to stop now.")
