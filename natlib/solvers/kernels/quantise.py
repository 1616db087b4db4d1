"""Round costs to multiples of a power of two, in one pass over them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["grid_start", "grid_step", "quantise", "room_for"]

# Between 2^s and 2^(s + 1), float32 numbers are the multiples of 2^(s - 23).


def grid_start(span: float, room: int) -> float:
    """Where a grid starts on which numbers of this span have ``2^(22 - room)`` levels or more.

    Args:
        span: highest minus lowest number, between 1e-30 and 1e30.
        room: at least ``2^room`` times the span fits onto the grid.

    Returns:
        The first number of the grid plus the span, so that no rounding falls below it.
    """
    return float(2.0 ** (math.frexp(span)[1] + room) + span)


def room_for(levels: int) -> int:
    """The largest ``room`` that leaves so many levels."""
    return 22 - (levels - 1).bit_length()


def grid_step(start: float) -> float:
    """The step of the grid that starts there."""
    return float(np.spacing(np.float32(start)))


def quantise(
    cost: NDArray[Any], shift: NDArray[Any] | float, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Add ``shift`` [b, 1], or one number, which moves the costs [b, k] onto a grid.

    The addition itself rounds to a multiple of the step; differences of such
    numbers are exact in float32 as long as they fit onto the grid.
    """
    np.add(cost, shift, out=out, casting="same_kind")
    return out
