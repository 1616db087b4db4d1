"""How long calls take, and how long they would."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

import torch

__all__ = ["Growth", "timed"]

R = TypeVar("R")


def timed(function: Callable[[], R], device: torch.device | str) -> tuple[R, float]:
    """What a call returns and the seconds that it takes, with all work on the device done."""
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    result = function()
    if cuda:
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - began


class Growth:
    """Predicts times of larger problems from those of smaller ones."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, float]] = []

    def add(self, size: int, seconds: float) -> None:
        """Note a time; sizes rise."""
        self._seen.append((size, seconds))

    def predict(self, size: int) -> float | None:
        """Seconds at a larger size: growth between the last two sizes goes on.

        It is taken to be at least quadratic, since costs are read, and at most cubic; quadratic
        where only one size is known.
        """
        if not self._seen:
            return None
        last_size, last = self._seen[-1]
        power = 2.0
        if len(self._seen) > 1:
            size_before, before = self._seen[-2]
            power = math.log(last / before) / math.log(last_size / size_before)
        return float(last * (size / last_size) ** min(max(power, 2.0), 3.0))
