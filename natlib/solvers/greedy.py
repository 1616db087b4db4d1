"""Approximate matching: the cheapest pair first, or row by row."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from natlib.component import register
from natlib.solvers.centring import centred
from natlib.solvers.host import HostSolver
from natlib.solvers.mask import complete, without

__all__ = ["Greedy"]

# The share of the rows that a round has to match to be faster than sorting.
_WORTH = 1 / 16


@register
class Greedy(HostSolver):
    """Takes the cheapest choice at hand and never takes it back: a lower-quality baseline.

    Costs are centred first, so that a constant of a row or of a column does not decide who
    chooses first. Where a mask leaves a row without a free column, rows make way for it.
    """

    kind: Literal["greedy"] = "greedy"
    order: Literal["best", "rows"] = "best"
    """``best``: the cheapest pair that is still free, again and again. ``rows``: one row after
    the other takes its cheapest free column, those first that would lose most if they got
    only their second choice; coarser, and as fast on any costs."""

    @property
    def exact(self) -> bool:
        return False

    def solve_one(self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        even = without(centred(cost.astype(np.float64), allowed), allowed, np.inf)
        columns = _best_pairs(even) if self.order == "best" else _row_by_row(even)
        return columns if allowed is None else complete(columns, allowed)


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
