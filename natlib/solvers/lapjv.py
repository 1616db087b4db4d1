"""Exact matching by Jonker-Volgenant shortest augmenting paths."""

from typing import Any, Literal

import lapjv as _lapjv
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

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
    peak_of,
    soft_prices,
    subtract_row_minima,
)
from natlib.solvers.kernels.float64 import match_in_float64
from natlib.solvers.kernels.mask import complete, masked
from natlib.solvers.kernels.quantise import grid_start, grid_step, quantise, room_for
from natlib.solvers.kernels.resolution import is_resolved
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

# Roundings of the centred costs beside that to the grid: constants come off columns, then off rows,
# then prices off columns.
_CENTRING = 8

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
    input can take; the prices that come with the answer prove that it is the best one, up to the
    rounding that ``gap`` reports. Costs in float64, and those of which rounding hides too much,
    such as penalties of 1e6 beside costs below 1, are then matched exactly in float64, starting
    from these prices. Columns are centred first where that shortens the search.

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
            return match_in_float64(cost, allowed, wide, peak_of(cost)), 0.0
        room = room_for(self.levels)
        if allowed is None and cost.dtype == np.float32 and len(cost) < _PRICED:
            found = _match_uncentred(cost, room)
            if found is not None:
                columns, price, step = found
                if self._suffices(cost, columns, step):
                    return columns, len(cost) * step
                return _match_at_prices(cost, None, price, 1.0), 0.0
        level = centre_columns(cost, allowed)
        rounding = float(np.finfo(level.cost.dtype).eps) * max(-level.low, level.high) * level.unit
        if level.conflict_free or level.high == level.low:
            columns = level.best
            if not level.conflict_free:
                columns = np.arange(len(cost))
                if allowed is not None:
                    columns = complete(np.full(len(cost), -1), allowed)
            if self._suffices(cost, columns, rounding):
                return columns, len(cost) * rounding
            return _match_at_prices(cost, allowed, level.shift, level.unit), 0.0
        whole, shift, step = _quantised(level, allowed, room)
        columns, _, (_, _, price) = _lapjv.lapjv(whole)
        if cost.dtype == np.float32 and _is_optimal(whole, columns, price, allowed):
            columns, step = columns.astype(np.int64), step * level.unit + _CENTRING * rounding
            if self._suffices(cost, columns, step):
                return columns, len(cost) * step
        return _match_at_prices(cost, allowed, shift + price, level.unit), 0.0

    def _suffices(self, cost: NDArray[Any], columns: NDArray[np.int64], rounding: float) -> bool:
        """Whether a matching that is optimal up to ``rounding`` for each pair is good enough."""
        return not self.exact or is_resolved(costs_of(cost, columns), rounding, cost.dtype.itemsize)


def _match_at_prices(
    cost: NDArray[Any], allowed: NDArray[np.bool_] | None, price: NDArray[Any], unit: float
) -> NDArray[np.int64]:
    """Match costs [b, b] in float64.

    Args:
        cost: the costs.
        allowed: the pairs that may be matched.
        price: [b], nearly optimal prices: subtracting them from columns changes no matching, and
            leaves hardly anything to search.
        unit: what the costs were divided by before they were compared with prices.
    """
    price = price.astype(np.float64)
    reduced = (cost if unit == 1.0 else cost.astype(np.float64) / unit) - price
    return match_in_float64(cost, allowed, reduced, float(np.abs(price).max()) * unit)


def _match_uncentred(
    cost: NDArray[np.float32], room: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], float] | None:
    """Match costs [b, b] without centring them first.

    Returns:
        Columns with a proof that they are the best, the prices of the proof, and what rounding may
        have cost for each pair. None if there is no proof, or if it is faster to centre the costs
        first.
    """
    # Reductions of ufuncs: methods of arrays take twice as long on small problems.
    low, high = float(np.minimum.reduce(cost, axis=None)), float(np.maximum.reduce(cost, axis=None))
    span = high - low
    if not SMALL < span < LARGE or not _contended(cost, span, room):
        return None
    start = grid_start(span, room)
    whole = quantise(cost, start - low, scratch(cost.shape, np.float32))
    columns, _, (_, _, price) = _lapjv.lapjv(whole)
    if not _is_optimal(whole, columns, price, None):
        return None
    return columns.astype(np.int64), price, grid_step(start)


def _contended(cost: NDArray[Any], span: float, room: int) -> bool:
    """Whether centring the costs [b, b] would take longer than it saves.

    A few rows show it. Where they compete for few columns, the search takes as long on centred
    costs; on small problems, and with fewer levels, it takes less time than centring. Where column
    constants outweigh the differences between rows, the grid of uncentred costs would be coarse.
    """
    few = cost[:_FEW]
    shift = np.einsum("ij->j", few) / np.float32(len(few))
    if float(np.maximum.reduce(shift) - np.minimum.reduce(shift)) > _UNEVEN * span:
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
    if np.maximum.reduce(np.bincount(columns, minlength=len(cost))) > 1:
        return False
    if allowed is not None and not allowed[np.arange(len(cost)), columns].all():
        return False
    cost -= price
    rows, width = cost.shape
    first = np.arange(0, rows * width, width)
    own, least = (cost.ravel().take(first + chosen) for chosen in (columns, cost.argmin(axis=1)))
    return bool(np.logical_and.reduce(own == least))
