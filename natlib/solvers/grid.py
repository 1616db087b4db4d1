"""Costs as whole numbers, in one pass over them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["grid_start", "onto_grid"]

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


def onto_grid(
    cost: NDArray[Any], shift: NDArray[Any] | float, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Add ``shift`` [b, 1], or one number, which carries the costs [b, k] onto a grid.

    The sum is rounded to a multiple of the grid by the processor itself; differences of such
    numbers are exact in float32 as long as they fit onto the grid.
    """
    np.add(cost, shift, out=out, casting="same_kind")
    return out
