"""Catch signals, so that a run can stop at a point where nothing is lost."""

import _thread
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interruption"]

# After so long a person wonders why nothing stops.
_SOON_SECONDS = 1.0
_END = b"\0"


class Interruption:
    """Records SIGTERM and the first Ctrl-C; a second Ctrl-C raises KeyboardInterrupt.

    Python handles a signal between two of its own instructions, and so not before the end of an
    operation of torch, a backward pass say, which may take long. Another thread hears of Ctrl-C at
    once, and tells.

    Args:
        tell: told what the first Ctrl-C does, from that thread; by default nobody is.
        doing: what is finished before it stops, ``"this update"`` say.

    Attributes:
        signal: the signal received, or None.
    """

    def __init__(self, tell: Callable[[str], None] | None = None, doing: str = "") -> None:
        self._tell = tell
        self._doing = doing
        self.signal: int | None = None
        self._before: dict[int, Any] = {}
        self._listener: _Listener | None = None
        self._raised = False
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:
                # Only the main thread can handle signals; in another one the caller does.
                return self
        self._listener = _Listener.start(self._pressed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._listener is not None:
            self._listener.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Called in the main thread; once for signals that have come during one operation."""
        if self._raised:  # what follows is left to clear up
            return
        twice = self._listener is not None and self._listener.count > 1
        if number == signal.SIGINT and (self.signal is not None or twice):
            self._raised = True
            raise KeyboardInterrupt
        self.signal = number
        if number == signal.SIGINT and self._listener is None:
            self._pressed(1)

    def _pressed(self, times: int) -> None:
        """Called for each Ctrl-C."""
        if times == 1:
            self._say(f"Finishing {self._doing}; press Ctrl-C again to stop now.")
        elif times == 2 and not self._ended.wait(_SOON_SECONDS):
            # The main thread may have handled both as one, before this one was counted.
            _thread.interrupt_main(signal.SIGINT)
            self._say("Stopping as soon as the operation that is under way ends.")

    def _say(self, text: str) -> None:
        # Nothing goes wrong because a terminal is gone, or is being written to.
        with contextlib.suppress(OSError, RuntimeError):
            if self._tell is not None:
                self._tell(text)


class _Listener:
    """A thread that hears of every Ctrl-C at once.

    Attributes:
        count: how many have come.
    """

    def __init__(self, pressed: Callable[[int], None], ends: tuple[int, int]) -> None:
        self.count = 0
        self._pressed = pressed
        self._read, self._write = ends
        # Does not outlive the program.
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @classmethod
    def start(cls, pressed: Callable[[int], None]) -> "_Listener | None":
        """Begin to listen; None where the system, or another part of the program, does not let it.

        Args:
            pressed: called with 1, 2 and so on.
        """
        if os.name == "nt":
            return None
        ends = os.pipe()
        os.set_blocking(ends[1], False)
        other = signal.set_wakeup_fd(ends[1], warn_on_full_buffer=False)
        if other != -1:
            signal.set_wakeup_fd(other, warn_on_full_buffer=False)
            for end in ends:
                os.close(end)
            return None
        listener = cls(pressed, ends)
        listener._thread.start()
        return listener

    def stop(self) -> None:
        """Hear no more."""
        signal.set_wakeup_fd(-1)
        # Not by closing: processes that decode hold the pipe open, too.
        os.write(self._write, _END)
        self._thread.join()
        os.close(self._write)
        os.close(self._read)

    def _listen(self) -> None:
        while (came := os.read(self._read, 1)) != _END:
            if came[0] == signal.SIGINT:
                self.count += 1
                self._pressed(self.count)
