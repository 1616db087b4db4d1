"""Take out of a cost matrix what decides nothing.

Shapes: b rows, k columns.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from natlib.solvers.kernels.workspace import scratch

__all__ = [
    "LARGE",
    "SMALL",
    "Levelled",
    "at",
    "centred",
    "levelled",
    "soft_prices",
    "start_at_zero",
    "unopposed",
]

# Costs outside of these are scaled before they are added up: sums of larger ones overflow
# and means of smaller ones lose digits.
LARGE, SMALL = 1e30, 1e-30

# Softness of the prices, in standard deviations of the costs, and how often they are made
# to agree. Measured from b = 256 to 4,096: less softness needs more rounds, more of either
# costs more than it saves.
_SOFTNESS, _ROUNDS = 0.12, 5
# Rows of which two want the same column in almost any problem of a batch.
_FEW = 64
_LEAST = np.float32(1e-15)  # of a column's demand: bounds its price


def centred(cost: NDArray[Any], allowed: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """The same matching problem with costs between -1 and 1 that are 0 on average.

    A constant added to a row changes no matching, neither does a positive factor, and
    where every column is taken neither does a constant added to a column. Nearly collapsed
    features have costs that consist mostly of such constants.

    Args:
        cost: finite [b, k], k >= b >= 1; it is left as it is.
        allowed: bool[b, k], the pairs that may be matched; the others hold 0 and stay 0.

    Returns:
        [b, k], a fresh array of the same precision (float64 for costs of extreme size);
        all 0 if every matching costs the same.
    """
    peak = _peak(cost)
    if peak and not SMALL < peak < LARGE:
        # Halved, so that the difference of two of the largest numbers is finite.
        cost = cost.astype(np.float64) / peak / 2
    rows, columns = cost.shape
    in_row = columns if allowed is None else np.maximum(allowed.sum(axis=1), 1)
    # einsum adds up faster than mean does; how exactly does not matter here.
    rest: NDArray[Any] = cost - (np.einsum("ij->i", cost) / in_row).astype(cost.dtype)[:, None]
    if allowed is not None:
        rest[~allowed] = 0.0
    if rows == columns:
        in_column = rows if allowed is None else np.maximum(allowed.sum(axis=0), 1)
        rest -= (np.einsum("ij->j", rest) / in_column).astype(rest.dtype)
        if allowed is not None:
            rest[~allowed] = 0.0
    peak = _peak(rest)
    if peak:
        rest *= 1 / peak
    return rest


class Levelled(NamedTuple):
    """A square matching problem with columns that are even on average.

    Attributes:
        cost: [b, b], infinite where a pair is not allowed; in memory that the next problem of
            this thread takes over.
        wish: int64[b], the cheapest column of each row.
        asked: int64[b], how many rows each column is the cheapest of.
        low: the least cost of all.
        high: the largest finite one.
        shift: [b], what came off each column.
        unit: what the costs were divided by before, 1 for ordinary ones.
    """

    cost: NDArray[Any]
    wish: NDArray[np.int64]
    asked: NDArray[np.int64]
    low: float
    high: float
    shift: NDArray[Any]
    unit: float

    @property
    def unopposed(self) -> bool:
        """Whether no two rows want the same column: no matching is cheaper than their wish."""
        return int(self.asked.max()) == 1


def levelled(cost: NDArray[Any], allowed: NDArray[np.bool_] | None) -> Levelled:
    """The same matching problem with columns that are even on average.

    Args:
        cost: finite [b, b]; it is left as it is.
        allowed: bool[b, b], the pairs that may be matched, in every row at least one.

    Returns:
        Costs of the same precision; float64 for costs of extreme size.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        even = _level(cost, allowed, 1.0)
    if SMALL < even.high - even.low < LARGE or not (peak := _peak(cost)):
        return even
    return _level(cost.astype(np.float64) / peak / 2, allowed, 2 * peak)


def _level(cost: NDArray[Any], allowed: NDArray[np.bool_] | None, unit: float) -> Levelled:
    in_column = len(cost) if allowed is None else np.maximum(allowed.sum(axis=0), 1)
    # einsum adds up faster than mean does; how exactly does not matter here.
    shift = (np.einsum("ij->j", cost) / in_column).astype(cost.dtype)
    even = np.subtract(cost, shift, out=scratch(cost.shape, cost.dtype))
    if allowed is None:
        high = float(even.max())
    else:
        even[~allowed] = np.inf
        high = float(even.max(where=allowed, initial=-np.inf))
    # NumPy finds the place of the least faster than its value.
    wish = even.argmin(axis=1)
    asked = np.bincount(wish, minlength=len(wish))
    return Levelled(even, wish, asked, float(at(even, wish).min()), high, shift, unit)


def unopposed(cost: NDArray[Any]) -> NDArray[np.int64] | None:
    """Every row's cheapest column, int64[b] for costs [b, k], if no two rows want the same: then
    nothing is cheaper. A few rows tell in most cases that there are two.
    """
    few = max(_FEW, len(cost) // 4)
    if few < len(cost) and np.bincount(cost[:few].argmin(axis=1)).max() > 1:
        return None
    wish: NDArray[np.int64] = cost.argmin(axis=1)
    return wish if np.bincount(wish).max() == 1 else None


def start_at_zero(cost: NDArray[Any], wish: NDArray[np.int64]) -> None:
    """Take its least cost off every row, in place: that of the column int64[b] in ``wish``."""
    cost -= at(cost, wish)[:, None]


def at(cost: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
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
    """Prices of columns at which the demand for them is nearly even.

    A few rounds of Sinkhorn's algorithm (Cuturi 2013): taken off the costs they change no
    matching of a square problem, and leave an exact solver half of its work.

    Args:
        cost: [r, b], all rows or some that stand for all; each starts at 0.
        buffer: [r, b], overwritten.
        softness: of the demand, in standard deviations of the costs.
        rounds: of evening out.

    Returns:
        [b] in the precision of the costs, within the largest finite cost of 0. The same costs
        get the same ones, whatever the number of threads: einsum keeps to one, matrix products
        do not.
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
    each = np.float32(cost.shape[1] / len(cost))  # so many rows a row stands for
    for _ in range(rounds):
        demand = np.einsum("i,ij->j", each / np.einsum("ij,j->i", buffer, share), buffer)
        share = 1 / np.maximum(demand, _LEAST)
    price = softness * np.log(share.astype(np.float64))
    return np.clip(price - np.median(price), -limit, limit).astype(cost.dtype)


def _peak(cost: NDArray[Any]) -> float:
    return max(float(cost.max()), -float(cost.min()))
