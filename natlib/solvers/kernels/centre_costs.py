"""Subtract row and column constants from a cost matrix: they decide nothing.

Shapes: b rows, k columns.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from natlib.solvers.kernels.workspace import scratch

__all__ = [
    "LARGE",
    "SMALL",
    "CentredColumns",
    "centre_columns",
    "centre_costs",
    "conflict_free",
    "costs_of",
    "peak_of",
    "soft_prices",
    "subtract_row_minima",
]

# Costs outside this range are scaled before they are summed: sums of larger ones overflow
# and means of smaller ones lose digits.
LARGE, SMALL = 1e30, 1e-30

# Softness of the prices, in standard deviations of the costs, and rounds of Sinkhorn's algorithm.
# Measured from b = 256 to 4,096: less softness needs more rounds, more of either
# costs more than it saves.
_SOFTNESS, _ROUNDS = 0.12, 5
# So many rows that in almost any problem two of them have the same cheapest column.
_FEW = 64
_LEAST = np.float32(1e-15)  # of the demand for a column: bounds its price


def centre_costs(cost: NDArray[Any], allowed: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Subtract row means, and column means of a square problem, and scale to [-1, 1].

    A constant added to a row changes no matching, nor does a positive factor, nor, where every
    column is taken, a constant added to a column. The costs of nearly collapsed features consist
    mostly of such constants.

    Args:
        cost: finite [b, k], k >= b >= 1; not modified.
        allowed: bool[b, k], the pairs that may be matched; the others hold 0 and stay 0.

    Returns:
        [b, k], a new array of the same precision (float64 for costs of extreme size);
        all 0 if every matching costs the same.
    """
    peak = peak_of(cost)
    if peak and not SMALL < peak < LARGE:
        # Halved, so that the difference of two of the largest numbers is finite.
        cost = cost.astype(np.float64) / peak / 2
    rows, columns = cost.shape
    in_row = columns if allowed is None else np.maximum(allowed.sum(axis=1), 1)
    # einsum sums faster than mean does; its precision suffices here.
    rest: NDArray[Any] = cost - (np.einsum("ij->i", cost) / in_row).astype(cost.dtype)[:, None]
    if allowed is not None:
        rest[~allowed] = 0.0
    if rows == columns:
        in_column = rows if allowed is None else np.maximum(allowed.sum(axis=0), 1)
        rest -= (np.einsum("ij->j", rest) / in_column).astype(rest.dtype)
        if allowed is not None:
            rest[~allowed] = 0.0
    peak = peak_of(rest)
    if peak:
        rest *= 1 / peak
    return rest


class CentredColumns(NamedTuple):
    """A square matching problem whose columns have the mean 0.

    Attributes:
        cost: [b, b], infinite where a pair is not allowed; in memory that the next problem of
            this thread overwrites.
        best: int64[b], the cheapest column of each row.
        demand: int64[b], the number of rows that each column is the cheapest of.
        low: the least cost.
        high: the largest finite cost.
        shift: [b], what was subtracted from each column.
        unit: what the costs were divided by first: 1 unless they were of extreme size.
    """

    cost: NDArray[Any]
    best: NDArray[np.int64]
    demand: NDArray[np.int64]
    low: float
    high: float
    shift: NDArray[Any]
    unit: float

    @property
    def conflict_free(self) -> bool:
        """Whether no two rows want the same column: then ``best`` is the cheapest matching."""
        return int(self.demand.max()) == 1


def centre_columns(cost: NDArray[Any], allowed: NDArray[np.bool_] | None) -> CentredColumns:
    """Subtract the mean of each column.

    Args:
        cost: finite [b, b]; not modified.
        allowed: bool[b, b], the pairs that may be matched, in every row at least one.

    Returns:
        Costs of the same precision; float64 for costs of extreme size.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        centred = _centre_columns(cost, allowed, 1.0)
    if SMALL < centred.high - centred.low < LARGE or not (peak := peak_of(cost)):
        return centred
    return _centre_columns(cost.astype(np.float64) / peak / 2, allowed, 2 * peak)


def _centre_columns(
    cost: NDArray[Any], allowed: NDArray[np.bool_] | None, unit: float
) -> CentredColumns:
    in_column = len(cost) if allowed is None else np.maximum(allowed.sum(axis=0), 1)
    # einsum sums faster than mean does; its precision suffices here.
    shift = (np.einsum("ij->j", cost) / in_column).astype(cost.dtype)
    centred = np.subtract(cost, shift, out=scratch(cost.shape, cost.dtype))
    if allowed is None:
        high = float(centred.max())
    else:
        centred[~allowed] = np.inf
        high = float(centred.max(where=allowed, initial=-np.inf))
    # NumPy finds the index of a minimum faster than its value.
    best = centred.argmin(axis=1)
    demand = np.bincount(best, minlength=len(best))
    return CentredColumns(
        centred, best, demand, float(costs_of(centred, best).min()), high, shift, unit
    )


def conflict_free(cost: NDArray[Any]) -> NDArray[np.int64] | None:
    """The cheapest column of each row, int64[b] for costs [b, k], if all differ: the best matching.

    Returns:
        None if two rows have the same cheapest column; mostly a few rows show that.
    """
    few = max(_FEW, len(cost) // 4)
    if few < len(cost) and np.maximum.reduce(np.bincount(cost[:few].argmin(axis=1))) > 1:
        return None
    best: NDArray[np.int64] = cost.argmin(axis=1)
    return best if np.maximum.reduce(np.bincount(best)) == 1 else None


def subtract_row_minima(cost: NDArray[Any], best: NDArray[np.int64]) -> None:
    """Subtract the minimum of each row in place; ``best`` int64[b] holds its column."""
    cost -= costs_of(cost, best)[:, None]


def costs_of(cost: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """The cost of one column of each row, [b], of C-contiguous costs."""
    rows, width = cost.shape
    chosen: NDArray[Any] = cost.ravel().take(np.arange(0, rows * width, width) + columns)
    return chosen


def soft_prices(
    cost: NDArray[Any],
    buffer: NDArray[np.float32],
    softness: float = _SOFTNESS,
    rounds: int = _ROUNDS,
) -> NDArray[Any]:
    """Prices at which all columns are in nearly equal demand.

    A few rounds of Sinkhorn's algorithm (Cuturi 2013). Subtracting the prices from the costs
    changes no matching of a square problem, and halves the work of an exact solver.

    Args:
        cost: [r, b], all rows or a sample of them; the minimum of each is 0.
        buffer: [r, b], overwritten.
        softness: of the demand, in standard deviations of the costs.
        rounds: of Sinkhorn's algorithm.

    Returns:
        [b] in the precision of the costs, at most the largest finite cost in size. The same costs
        get the same prices whatever the number of threads: einsum uses one, matrix products more.
    """
    some = cost[:: max(1, len(cost) // 256)]
    some = some[np.isfinite(some)]
    limit = float(some.max())
    if limit == 0:
        return np.zeros(cost.shape[1], dtype=cost.dtype)
    softness *= max(float(some.std(dtype=np.float64)), 1e-6 * limit)
    np.multiply(cost, -1 / softness, out=buffer, casting="same_kind")
    np.exp(buffer, out=buffer)
    share = np.ones(cost.shape[1], dtype=np.float32)
    each = np.float32(cost.shape[1] / len(cost))  # rows that each row of a sample represents
    for _ in range(rounds):
        demand = np.einsum("i,ij->j", each / np.einsum("ij,j->i", buffer, share), buffer)
        share = 1 / np.maximum(demand, _LEAST)
    price = softness * np.log(share.astype(np.float64))
    return np.clip(price - np.median(price), -limit, limit).astype(cost.dtype)


def peak_of(cost: NDArray[Any]) -> float:
    """The largest size of a cost."""
    return max(float(cost.max()), -float(cost.min()))
