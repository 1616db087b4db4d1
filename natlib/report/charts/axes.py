"""Axes: from values to pixels, and ticks."""

import math
from dataclasses import dataclass
from typing import Self

__all__ = ["Axis", "label", "labels", "ticks"]


@dataclass(frozen=True)
class Axis:
    """A scale from values to pixels.

    Attributes:
        low: value at the start.
        high: value at the end.
        first: pixel at the start.
        last: pixel at the end; less than ``first`` on a vertical axis.
        log: whether the scale is logarithmic.
    """

    low: float
    high: float
    first: float
    last: float
    log: bool = False

    @classmethod
    def around(cls, values: list[float], first: float, last: float, *, log: bool = False) -> Self:
        """An axis that contains finite values, with a margin at both ends."""
        low, high = (min(values), max(values)) if values else (0.1, 1.0)
        if log:
            low, high = math.log10(low), math.log10(high)
        room = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
        low, high = low - room, high + room
        return cls(10**low, 10**high, first, last, True) if log else cls(low, high, first, last)

    def place(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.first + (value - low) / (high - low) * (self.last - self.first)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values for the ticks of the axis."""
        if not self.log:
            return ticks(self.low, self.high, most)
        low, high = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        step = max(1, -(-(high - low) // most))
        powers = [10.0**power for power in range(low, high + 1, step)]
        return powers if len(powers) > 1 else ticks(self.low, self.high, most)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most ``most`` multiples of 1, 2 or 5 times a power of ten between two values."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 5, 10, 20) if math.floor(high / (f * power)) -
                math.ceil(low / (f * power)) < most)  # fmt: skip
    first = math.ceil(low / step - 1e-9)
    return [step * n for n in range(first, math.floor(high / step + 1e-9) + 1)]


def label(value: float) -> str:
    """A number in about three significant digits, with k, M or G."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e15:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    if 1e3 <= abs(value) < 1e4:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return "0" if text == "-0" else text


def labels(values: list[float]) -> list[str]:
    """Numbers with as many digits as are needed to make them different."""
    found = [label(value) for value in values]
    for digits in range(4, 9):
        if len(set(found)) == len(found):
            break
        found = [f"{value:.{digits}g}" for value in values]
    return found
