"""Exact matching in float64, by SciPy.

Shapes: b rows, k columns.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from natlib.solvers.kernels.centre_costs import costs_of
from natlib.solvers.kernels.digits import match_by_digits
from natlib.solvers.kernels.mask import masked
from natlib.solvers.kernels.resolution import is_resolved

__all__ = ["match_in_float64"]

# Roundings of the largest number that the difference of two pairs may be wrong by.
_ROUNDINGS = 8


def match_in_float64(
    cost: NDArray[Any],
    allowed: NDArray[np.bool_] | None,
    reduced: NDArray[Any],
    peak: float,
) -> NDArray[np.int64]:
    """The cheapest matching, int64[b].

    Args:
        cost: finite [b, k], k >= b >= 1; not modified.
        allowed: bool[b, k], the pairs that may be matched.
        reduced: [b, k], costs less row constants (and column constants of a square problem), on
            which the search is short.
        peak: the largest number that costs were added to or subtracted from, in units of cost.
            Where its rounding hides which matching is the cheapest, digits are matched one group
            after the other.
    """
    columns = np.asarray(linear_sum_assignment(masked(reduced, allowed, np.inf))[1], dtype=np.int64)
    chosen = costs_of(cost, columns)
    peak = max(peak, float(np.abs(chosen).max()))
    if is_resolved(chosen, _ROUNDINGS * float(np.finfo(np.float64).eps) * peak, 8):
        return columns
    return match_by_digits(cost, allowed)
