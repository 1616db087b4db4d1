"""Approximate matching: the cheapest pair first, row by row, or at prices.

Shapes: b rows, k columns.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from natlib.component import register
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.centre_costs import centred, levelled, soft_prices, start_at_zero
from natlib.solvers.kernels.mask import complete, without

__all__ = ["Greedy"]

# The share of the rows that a round has to match to be faster than sorting.
_WORTH = 1 / 16

# Of the prices: coarser than what is best for an exact solver, and less work.
_SOFTNESS, _ROUNDS = 0.24, 3
# Rows that stand for all others when prices are made: a quarter of 4,096 costs half a per cent
# of the gain and saves a quarter of the time.
_ROWS = 1024


@register
class Greedy(HostSolver):
    """Takes the cheapest choice at hand and never takes it back: a lower-quality baseline.

    Costs are centred first, so that a constant of a row or of a column does not decide who
    chooses first. Where a mask leaves a row without a free column, rows make way for it.
    """

    kind: Literal["greedy"] = "greedy"
    order: Literal["best", "rows", "priced"] = "best"
    """``best``: the cheapest pair that is still free, again and again. ``rows``: one row after
    the other takes its cheapest free column, those first that would lose most if they got
    only their second choice; coarser, and as fast on any costs. ``priced``: columns that many
    rows would like get dearer first, then all rows ask for their cheapest free column at
    once, and who would lose most without it gets it, until no row is left: the best and
    fastest of the three on large square problems, within two to three hundredths of the best
    similarity."""

    @property
    def exact(self) -> bool:
        return False

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        if self.order == "priced" and cost.shape[0] == cost.shape[1]:
            return _at_prices(cost, allowed)
        even = without(centred(cost.astype(np.float64), allowed), allowed, np.inf)
        way = {"best": _best_pairs, "rows": _row_by_row, "priced": _by_regret}
        columns = way[self.order](even)
        return columns if allowed is None else complete(columns, allowed), None


def _best_pairs(left: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cheapest free pair again and again, of equal ones the first in reading order.

    That pair is always best for both of its ends. All pairs that are so can be taken at once,
    which needs few rounds unless many rows want the same column; what is left then is sorted.
    Pairs of infinite cost stay free.
    """
    result = np.full(len(left), -1, dtype=np.int64)
    rows, columns = np.arange(left.shape[0]), np.arange(left.shape[1])
    while len(rows):
        best_column = left.argmin(axis=1)
        mutual = left.argmin(axis=0)[best_column] == np.arange(len(rows))
        mutual &= np.isfinite(left[np.arange(len(rows)), best_column])
        if mutual.sum() < _WORTH * len(rows):
            _in_sorted_order(left, rows, columns, result)
            break
        taken = best_column[mutual]
        result[rows[mutual]] = columns[taken]
        rows, columns = rows[~mutual], np.delete(columns, taken)
        left = np.delete(left[~mutual], taken, axis=1)
    return result


def _in_sorted_order(
    left: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    result: NDArray[np.int64],
) -> None:
    order = np.argsort(left, axis=None, kind="stable")
    order = order[: int(np.isfinite(left).sum())]  # infinite ones stand last
    free_row, free_column = np.ones(len(rows), dtype=bool), np.ones(len(columns), dtype=bool)
    # Pairs are looked at in portions, so that most of them are dropped many at a time.
    for start in range(0, len(order), 4 * len(columns)):
        row, column = np.divmod(order[start : start + 4 * len(columns)], len(columns))
        free = free_row[row] & free_column[column]
        for i, j in zip(row[free].tolist(), column[free].tolist(), strict=True):
            if free_row[i] and free_column[j]:
                free_row[i] = free_column[j] = False
                result[rows[i]] = columns[j]
        if not free_row.any():
            break


def _row_by_row(left: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the largest regret first. Overwrites ``left``; rows may stay free."""
    everyone, first = np.arange(len(left)), left.argmin(axis=1)
    least = left[everyone, first]
    left[everyone, first] = np.inf
    second = left.min(axis=1)
    left[everyone, first] = least
    # A row of one allowed column has an infinite regret and comes first.
    order = np.argsort(least - second, kind="stable")
    columns = np.full(len(left), -1, dtype=np.int64)
    for row in order:
        column = left[row].argmin()
        if left[row, column] < np.inf:
            columns[row] = column
            left[:, column] = np.inf
    return columns


def _at_prices(
    cost: NDArray[Any], allowed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], float]:
    """Columns, and what duality says about them at the prices, rounding included."""
    level = levelled(cost, allowed)
    if level.unopposed:
        return level.wish, 0.0
    even = level.cost
    start_at_zero(even, level.wish)
    some = even[:: max(1, len(even) // _ROWS)]
    even -= soft_prices(some, np.empty(some.shape, np.float32), _SOFTNESS, _ROUNDS)
    # No matching costs less than every row's cheapest column.
    wish = even.argmin(axis=1)
    lowest = float(even[np.arange(len(even)), wish].sum(dtype=np.float64))
    columns = _by_regret(even, wish)
    if allowed is not None:
        columns = complete(columns, allowed)
    paid = float(even[np.arange(len(even)), columns].sum(dtype=np.float64))
    # A cost has been through three subtractions, of numbers up to eight times the largest.
    # (Both ends in one pass, which NumPy does in two.)
    peak = max(abs(float(end)) for end in torch.from_numpy(cost).aminmax())
    rounding = 64 * float(np.finfo(even.dtype).eps) * peak * len(cost)
    return columns, (paid - lowest) * level.unit + rounding


def _by_regret(left: NDArray[Any], wish: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """All rows ask for their cheapest free column; of the askers of a column the one gets it that
    would lose most with its second choice. Rows that may take no free column stay without.

    ``wish`` is the cheapest column of each row, if that is known.
    """
    result = np.full(len(left), -1, dtype=np.int64)
    rows, columns = np.arange(left.shape[0]), np.arange(left.shape[1])
    while len(rows):
        everyone = np.arange(len(rows))
        wish = left.argmin(axis=1) if wish is None else wish
        least = left[everyone, wish]
        can = np.isfinite(least)  # the others have nothing to ask for any more
        left[everyone, wish] = np.inf
        second = left[everyone, left.argmin(axis=1)]
        left[everyone, wish] = least
        regret = np.where(can, second, 0.0) - np.where(can, least, 0.0)
        order = np.argsort(np.where(can, -regret, np.inf), kind="stable")
        asked, first = np.unique(wish[order], return_index=True)
        winner = order[first]
        asked, winner = asked[can[winner]], winner[can[winner]]
        result[rows[winner]] = columns[asked]
        can[winner] = False
        free = np.ones(len(columns), dtype=bool)
        free[asked] = False
        left, rows, columns, wish = left[np.ix_(can, free)], rows[can], columns[free], None
        if not len(columns):
            break
    return result
