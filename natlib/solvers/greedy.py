"""Greedy matching: the cheapest pair first, row by row, or at prices.

Shapes: b rows, k columns.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from natlib.component import register
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.centre_costs import (
    centre_columns,
    centre_costs,
    soft_prices,
    subtract_row_minima,
)
from natlib.solvers.kernels.mask import complete, masked

__all__ = ["Greedy"]

# A round is faster than sorting if it matches at least this share of the rows.
_WORTH = 1 / 16

# Of the prices: coarser than is best for an exact solver, and less work.
_SOFTNESS, _ROUNDS = 0.24, 3
# Rows that prices are computed from: a quarter of 4,096 loses half a per cent of the gain and
# saves a quarter of the time.
_ROWS = 1024


@register
class Greedy(HostSolver):
    """Takes the cheapest available pair and never revises it: a lower-quality baseline.

    Costs are centred first, so that row and column constants do not decide which row comes
    first. Where a mask leaves a row without a free column, other rows move to make room.
    """

    kind: Literal["greedy"] = "greedy"
    order: Literal["best", "rows", "priced"] = "best"
    """``best``: always the cheapest free pair. ``rows``: one row after the other takes its
    cheapest free column, in the order of their regret, what a row would lose with its second
    choice; coarser, and as fast on any costs. ``priced``: columns in high demand first get higher
    prices; then all rows propose to their cheapest free column at once, and the one of the largest
    regret gets it, until no row is left. It is the best and fastest of the three on large square
    problems, within two to three hundredths of the best similarity."""

    @property
    def exact(self) -> bool:
        return False

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        if self.order == "priced" and cost.shape[0] == cost.shape[1]:
            return _at_prices(cost, allowed)
        centred = masked(centre_costs(cost.astype(np.float64), allowed), allowed, np.inf)
        way = {"best": _best_pairs, "rows": _row_by_row, "priced": _by_regret}
        columns = way[self.order](centred)
        return columns if allowed is None else complete(columns, allowed), None


def _best_pairs(left: NDArray[np.float64]) -> NDArray[np.int64]:
    """Take the cheapest free pair until none is left, of equal ones the first in row-major order.

    That pair is the best of both its row and its column. All such pairs can be taken at once,
    which needs few rounds unless many rows compete for a column; the rest is sorted.
    Pairs of infinite cost are not taken.
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
    order = order[: int(np.isfinite(left).sum())]  # infinite ones come last
    free_row, free_column = np.ones(len(rows), dtype=bool), np.ones(len(columns), dtype=bool)
    # In portions, so that most pairs are dropped many at a time.
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
    """Match rows in the order of falling regret. Overwrites ``left``; rows may stay free."""
    everyone, first = np.arange(len(left)), left.argmin(axis=1)
    least = left[everyone, first]
    left[everyone, first] = np.inf
    second = left.min(axis=1)
    left[everyone, first] = least
    # A row with one allowed column has infinite regret and comes first.
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
    """Columns, and their gap by duality at the prices, rounding included."""
    level = centre_columns(cost, allowed)
    if level.conflict_free:
        return level.best, 0.0
    reduced = level.cost
    subtract_row_minima(reduced, level.best)
    some = reduced[:: max(1, len(reduced) // _ROWS)]
    reduced -= soft_prices(some, np.empty(some.shape, np.float32), _SOFTNESS, _ROUNDS)
    # No matching costs less than the sum of row minima.
    best = reduced.argmin(axis=1)
    lowest = float(reduced[np.arange(len(reduced)), best].sum(dtype=np.float64))
    columns = _by_regret(reduced, best)
    if allowed is not None:
        columns = complete(columns, allowed)
    total = float(reduced[np.arange(len(reduced)), columns].sum(dtype=np.float64))
    # Each cost went through three subtractions of numbers up to eight times the largest.
    # (Both ends in one pass, which NumPy does in two.)
    peak = max(abs(float(end)) for end in torch.from_numpy(cost).aminmax())
    rounding = 64 * float(np.finfo(reduced.dtype).eps) * peak * len(cost)
    return columns, (total - lowest) * level.unit + rounding


def _by_regret(left: NDArray[Any], best: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """All rows propose to their cheapest free column, which takes the row of the largest regret.

    Repeats until no row is left; rows without an allowed free column stay unmatched. ``best`` is
    the cheapest column of each row, if that is known.
    """
    result = np.full(len(left), -1, dtype=np.int64)
    rows, columns = np.arange(left.shape[0]), np.arange(left.shape[1])
    while len(rows):
        everyone = np.arange(len(rows))
        best = left.argmin(axis=1) if best is None else best
        least = left[everyone, best]
        can = np.isfinite(least)  # the others have no column left
        left[everyone, best] = np.inf
        second = left[everyone, left.argmin(axis=1)]
        left[everyone, best] = least
        regret = np.where(can, second, 0.0) - np.where(can, least, 0.0)
        order = np.argsort(np.where(can, -regret, np.inf), kind="stable")
        asked, first = np.unique(best[order], return_index=True)
        winner = order[first]
        asked, winner = asked[can[winner]], winner[can[winner]]
        result[rows[winner]] = columns[asked]
        can[winner] = False
        free = np.ones(len(columns), dtype=bool)
        free[asked] = False
        left, rows, columns, best = left[np.ix_(can, free)], rows[can], columns[free], None
        if not len(columns):
            break
    return result
