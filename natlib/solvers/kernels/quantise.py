"""Costs as whole numbers, in one pass over them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["grid_start", "grid_step", "onto_grid", "room_for"]

# From 2^s on float32 numbers are whole multiples of 2^(s - 23), up to 2^(s + 1).


def grid_start(span: float, room: int) -> float:
    """Where a grid begins on which numbers of this span have ``2^(22 - room)`` levels or more.

    Args:
        span: from the lowest to the highest number, between 1e-30 and 1e30.
        room: ``2^room`` times the span fits onto the grid at least.

    Returns:
        The first number of the grid plus the span, so that no rounding falls below it.
    """
    return float(2.0 ** (math.frexp(span)[1] + room) + span)


def room_for(levels: int) -> int:
    """The most room that leaves numbers as many levels."""
    return 22 - (levels - 1).bit_length()


def grid_step(start: float) -> float:
    """From one number of the grid that begins there to the next."""
    return float(np.spacing(np.float32(start)))


def onto_grid(
    cost: NDArray[Any], shift: NDArray[Any] | float, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Add ``shift`` [b, 1], or one number, which carries the costs [b, k] onto a grid.

    The sum is rounded to a multiple of the grid by the processor itself; differences of such
    numbers are exact in float32 as long as they fit onto the grid.
    """
    np.add(cost, shift, out=out, casting="same_kind")
    return out
