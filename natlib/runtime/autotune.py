"""Of several ways to do the same thing, the one that is fastest here."""

import statistics
import threading
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["Autotune"]

Way = TypeVar("Way", bound=Hashable)

# Tries of each way; the first is not counted, since it pays for caches and threads that start.
_TRIES = 6


class Autotune(Generic[Way]):
    """Takes the ways in turns at first, then keeps the one with the lowest median.

    What is measured must not depend on the way: only how long it takes. May be used from several
    threads.

    Args:
        ways: what there is to choose from, the one to prefer first.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self._seconds: dict[Way, list[float]] = {way: [] for way in ways}
        self._lock = threading.Lock()
        self._kept: Way | None = ways[0] if len(ways) == 1 else None

    @property
    def kept(self) -> Way | None:
        """The way that proved fastest; None while that is being measured."""
        return self._kept

    def next(self) -> Way:
        """The way to take now."""
        with self._lock:
            if self._kept is not None:
                return self._kept
            return min(self._seconds, key=lambda way: len(self._seconds[way]))

    def took(self, way: Way, seconds: float) -> None:
        """How long it took."""
        with self._lock:
            if self._kept is not None:
                return
            self._seconds[way].append(seconds)
            if min(map(len, self._seconds.values())) >= _TRIES:
                middle = {w: statistics.median(s[1:]) for w, s in self._seconds.items()}
                self._kept = min(middle, key=middle.__getitem__)
