"""Exact matching by Jonker-Volgenant shortest augmenting paths."""

from typing import Any, Literal

import lapjv as _lapjv
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from natlib.component import register
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.centre_costs import (
    LARGE,
    SMALL,
    CentredColumns,
    centre_columns,
    centre_costs,
    conflict_free,
    costs_of,
    soft_prices,
    subtract_row_minima,
)
from natlib.solvers.kernels.mask import complete, masked
from natlib.solvers.kernels.quantise import grid_start, grid_step, quantise, room_for
from natlib.solvers.kernels.workspace import scratch

__all__ = ["Lapjv"]

# Centred costs are rounded to at least so many levels from the lowest to the highest, by half a
# millionth of their span at most. The package starts with an auction in which two rows may outbid
# each other by one level at a time: on costs of rank 1 that takes practically for ever in
# float64 and seconds in float32, and every bit costs time on any input. Four times the span
# leaves room for prices.
_LEVELS = 2**20

# The cost of a pair that is not allowed, in spans of the others: so high that the best matching
# hardly ever contains one; where it does, SciPy's solver takes over.
_FORBIDDEN, _ROOM_FORBIDDEN = 6, 3

# If at least this share of the columns is the cheapest of some row, there is little competition,
# and subtracting row minima halves the search. Clustered rows compete for the same columns, and it
# makes the search longer; from _PRICED rows on soft prices are worth their computation.
_SCATTERED = 0.4
_PRICED = 1024

# Rows that show what kind of costs a problem has, and the share of distinct cheapest columns among
# them below which rows compete for few columns.
_FEW, _ALIKE = 64, 0.7
# The share of the span of all costs that column means may differ by.
_UNEVEN = 0.5


@register
class Lapjv(HostSolver):
    """Exact; the default on a CPU (Jonker & Volgenant 1987; the package ``lapjv``).

    Two to twenty times as fast as SciPy's from b = 1,024, above all on features that
    have nearly collapsed. Costs are matched as whole numbers, which bounds the time that any
    input can take; the prices that come with the answer prove that it is the best one. Costs
    in float64 are then matched exactly, starting from these prices. Columns are centred first
    where that shortens the search.

    If the cheapest columns of all rows differ, they are the answer. A wide problem goes to SciPy's
    solver, which does not have to make it square.
    """

    kind: Literal["lapjv"] = "lapjv"
    levels: int = Field(default=_LEVELS, ge=2**6, le=_LEVELS)
    """How finely costs in float32 are resolved: at least so many levels from the lowest to the
    highest. Fewer make the search shorter. The matching then costs at most one level for each row
    more than the best one (its gap), and mostly far less: see docs/solvers.md."""

    @property
    def exact(self) -> bool:
        return self.levels == _LEVELS

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float]:
        # The gap is what rounding may have cost.
        if (best := conflict_free(masked(cost, allowed, np.inf))) is not None:
            return best, 0.0
        if cost.shape[0] < cost.shape[1]:
            # SciPy computes in float64, where sums of float32 do not overflow; and where
            # columns may stay free, only rows could be centred, which saves it no work.
            wide = cost if cost.dtype == np.float32 else centre_costs(cost, allowed)
            return _by_scipy(masked(wide, allowed, np.inf)), 0.0
        room = room_for(self.levels)
        if allowed is None and cost.dtype == np.float32 and len(cost) < _PRICED:
            found = _match_uncentred(cost, room)
            if found is not None:
                return found
        level = centre_columns(cost, allowed)
        if level.conflict_free:
            return level.best, 0.0
        if level.high == level.low:
            free = np.full(len(cost), -1)
            return np.arange(len(cost)) if allowed is None else complete(free, allowed), 0.0
        whole, shift, step = _quantised(level, allowed, room)
        columns, _, (_, _, price) = _lapjv.lapjv(whole)
        if cost.dtype == np.float64 or not _is_optimal(whole, columns, price, allowed):
            # Subtracting prices from columns changes no matching, and leaves hardly anything
            # to search.
            if level.unit != 1.0:
                cost = cost.astype(np.float64) / level.unit
            return _by_scipy(masked(cost - (shift + price), allowed, np.inf)), 0.0
        return columns.astype(np.int64), len(cost) * step * level.unit


def _match_uncentred(
    cost: NDArray[np.float32], room: int
) -> tuple[NDArray[np.int64], float] | None:
    """Match costs [b, b] without centring them first.

    Returns:
        Columns with a proof that they are the best, and what rounding may have cost. None if there
        is no proof, or if it is faster to centre the costs first.
    """
    low, high = float(cost.min()), float(cost.max())
    span = high - low
    if not SMALL < span < LARGE or not _contended(cost, span, room):
        return None
    start = grid_start(span, room)
    whole = quantise(cost, start - low, scratch(cost.shape, np.float32))
    columns, _, (_, _, price) = _lapjv.lapjv(whole)
    if not _is_optimal(whole, columns, price, None):
        return None
    return columns.astype(np.int64), len(cost) * grid_step(start)


def _contended(cost: NDArray[Any], span: float, room: int) -> bool:
    """Whether centring the costs [b, b] would take longer than it saves.

    A few rows show it. Where they compete for few columns, the search takes as long on centred
    costs; on small problems, and with fewer levels, it takes less time than centring. Where column
    constants outweigh the differences between rows, the grid of uncentred costs would be coarse.
    """
    few = cost[:_FEW]
    shift = np.einsum("ij->j", few) / np.float32(len(few))
    if float(shift.max()) - float(shift.min()) > _UNEVEN * span:
        return False
    if len(cost) <= _FEW or room > room_for(_LEVELS):
        return True
    best = (few - shift).argmin(axis=1)
    return bool(np.count_nonzero(np.bincount(best)) < _ALIKE * len(few))


def _quantised(
    level: CentredColumns, allowed: NDArray[np.bool_] | None, room: int
) -> tuple[NDArray[np.float32], NDArray[Any], float]:
    """Costs as multiples of a power of two, what was subtracted from each column, and that power.

    Overwrites the costs of ``level``, in place if they are float32: new memory takes longer
    than the arithmetic in it.
    """
    reduced, best, shift = level.cost, level.best, level.shift
    span = level.high - level.low
    start = grid_start(span, room if allowed is None else max(room, _ROOM_FORBIDDEN))
    step = grid_step(start)
    scattered = np.count_nonzero(level.demand) >= _SCATTERED * len(best)
    whole = reduced if reduced.dtype == np.float32 else np.empty(reduced.shape, np.float32)
    if allowed is None and not scattered and len(reduced) < _PRICED:
        return quantise(reduced, start - level.low, whole), shift, step
    if not scattered and len(reduced) >= _PRICED:
        subtract_row_minima(reduced, best)
        prices = soft_prices(reduced, np.empty(reduced.shape, np.float32))
        reduced -= prices
        best, shift = reduced.argmin(axis=1), shift + prices
    quantise(reduced, (start - costs_of(reduced, best)).astype(reduced.dtype)[:, None], whole)
    if allowed is not None:
        whole[~allowed] = start + _FORBIDDEN * span
    return whole, shift, step


def _is_optimal(
    cost: NDArray[Any],
    columns: NDArray[Any],
    price: NDArray[Any],
    allowed: NDArray[np.bool_] | None,
) -> bool:
    """Whether the columns are one-to-one, allowed, and each the best of its row at the prices.

    By linear programming duality no matching costs less if so. Overwrites ``cost``.
    """
    if np.bincount(columns, minlength=len(cost)).max() > 1:
        return False
    if allowed is not None and not allowed[np.arange(len(cost)), columns].all():
        return False
    cost -= price
    return bool((costs_of(cost, columns) == costs_of(cost, cost.argmin(axis=1))).all())


def _by_scipy(cost: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(linear_sum_assignment(cost)[1], dtype=np.int64)
