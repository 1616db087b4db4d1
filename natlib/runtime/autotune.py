"""Choose the fastest of several ways to compute the same thing."""

import statistics
import threading
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["Autotune"]

Choice = TypeVar("Choice", bound=Hashable)

# Trials of each choice; the first is a warm-up for caches and threads and is not counted.
_TRIALS = 6


class Autotune(Generic[Choice]):
    """Tries choices in turn, then settles on the one with the lowest median time.

    The choice may affect the time only, not the result. Safe to use from several threads.

    Args:
        choices: the choices; the first one wins a tie.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._seconds: dict[Choice, list[float]] = {choice: [] for choice in choices}
        self._lock = threading.Lock()
        self._best: Choice | None = choices[0] if len(choices) == 1 else None

    @property
    def best(self) -> Choice | None:
        """The fastest choice; None while it is being measured."""
        return self._best

    def next(self) -> Choice:
        """The choice to use next."""
        with self._lock:
            if self._best is not None:
                return self._best
            return min(self._seconds, key=lambda choice: len(self._seconds[choice]))

    def record(self, choice: Choice, seconds: float) -> None:
        """Record how long a choice took."""
        with self._lock:
            if self._best is not None:
                return
            self._seconds[choice].append(seconds)
            if min(map(len, self._seconds.values())) >= _TRIALS:
                medians = {c: statistics.median(s[1:]) for c, s in self._seconds.items()}
                self._best = min(medians, key=medians.__getitem__)
