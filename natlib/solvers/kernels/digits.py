"""Exact matching of costs of any spread: the leading digits first, then those that follow.

Shapes: b rows, k columns.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["match_by_digits"]

# Whole numbers up to 2^53 are exact in float64; sums along a path of b pairs, and of three such
# sums, have to be.
_EXACT_BITS = 49
# The smallest positive number.
_SMALLEST = 2.0**-1074


def match_by_digits(
    cost: NDArray[Any], allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The cheapest matching where float64 cannot hold the largest and smallest costs together.

    A penalty of 1e18 beside costs below 1 leaves no digit of these in any sum that it enters.
    So costs are divided into their leading digits, whole numbers of a unit, and a rest. The
    leading digits are matched exactly, and the prices of that matching exclude every pair that the
    rests could not bring back into the cheapest one. What the other pairs lose, mostly nothing,
    plus their rests are the costs of the next round. This is cost scaling (Gabow & Tarjan 1989)
    with few, large steps.

    Args:
        cost: finite [b, k], k >= b >= 1; not modified.
        allowed: bool[b, k], the pairs that may be matched, with at least one matching.

    Returns:
        int64[b], the column of each row.
    """
    rows, columns = cost.shape
    rest = cost.astype(np.float64)
    allowed = np.ones(cost.shape, dtype=bool) if allowed is None else allowed.copy()
    bits = _EXACT_BITS - rows.bit_length()
    while True:
        rest[~allowed] = 0.0
        peak = float(np.abs(rest).max())
        unit = max(math.ldexp(1.0, max(math.frexp(peak)[1] - bits, -1074)), _SMALLEST)
        digits = np.rint(rest / unit)
        rest -= digits * unit
        digits[~allowed] = np.inf
        matched = np.asarray(linear_sum_assignment(digits)[1], dtype=np.int64)
        largest = float(np.abs(rest).max())
        if largest == 0:
            return matched
        price = _prices(digits, matched)
        loss = digits - price
        loss -= loss[np.arange(rows), matched][:, None]
        # Two matchings differ by this much in their rests at most.
        most = 2 * rows * largest / unit
        allowed &= loss <= most
        loss[~allowed] = 0.0
        if rows < columns:
            # Columns that have to be taken stay attractive, and no more than that.
            loss += np.maximum(price, -math.ceil(most) - 1)
        rest += loss * unit


def _prices(cost: NDArray[np.float64], matched: NDArray[np.int64]) -> NDArray[np.float64]:
    """Prices [k] to subtract, 0 at most, at which every row has its cheapest column.

    Shortest distances (Bellman 1958, Ford 1956), exact for whole numbers; 0 on unmatched columns.
    """
    own = cost[np.arange(len(cost)), matched]
    price = np.zeros(cost.shape[1])
    active = np.arange(len(cost))
    while len(active):
        offer = (cost[active] + (price[matched[active]] - own[active])[:, None]).min(axis=0)
        lower = offer < price
        price = np.where(lower, offer, price)
        active = np.flatnonzero(lower[matched])
    return price
