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
    Levelled,
    at,
    centred,
    levelled,
    soft_prices,
    start_at_zero,
    unopposed,
)
from natlib.solvers.kernels.mask import complete, without
from natlib.solvers.kernels.quantise import grid_start, grid_step, onto_grid, room_for
from natlib.solvers.kernels.workspace import scratch

__all__ = ["Lapjv"]

# Costs are rounded to so many levels or more from the lowest to the highest once columns are even,
# so by half a millionth at most. The package starts with an auction in which two rows may outbid
# each other by one level at a time: on costs of rank 1 that takes practically for ever in
# float64 and seconds in float32, and every bit costs time on any input. Four times the span
# is room for prices too.
_LEVELS = 2**20

# What a pair costs that is not allowed, in spans of the others: so much that the best matching
# hardly ever needs one; where it does, scipy's solver is asked again.
_FORBIDDEN, _ROOM_FORBIDDEN = 6, 3

# Where so many of the columns are the cheapest of some row, rows compete for few of them only, and
# letting every row start at 0 halves the search. Clustered rows all want the same columns, and
# the search takes longer with it; from this size on soft prices are worth their computation.
_SCATTERED = 0.4
_PRICED = 1024

# Rows that tell what kind of costs a problem has, and which part of them wants columns of
# their own at most where rows compete for few.
_FEW, _ALIKE = 64, 0.7
# Which part of the span of all costs may lie between two columns' means.
_UNEVEN = 0.5


@register
class Lapjv(HostSolver):
    """Exact; the default on a CPU (Jonker & Volgenant 1987; the package ``lapjv``).

    Two to twenty times as fast as scipy's from b = 1,024, above all on features that
    have nearly collapsed. Costs are matched as whole numbers, which bounds the time that any
    input can take; the prices that come with the answer prove that it is the best one. Costs
    in float64 are then matched exactly, starting from these prices. Costs are evened out first
    where that shortens the search.

    Rows whose cheapest columns all differ get them at once. A wide problem goes to scipy's
    solver, which need not make it square.
    """

    kind: Literal["lapjv"] = "lapjv"
    levels: int = Field(default=_LEVELS, ge=2**6, le=_LEVELS)
    """How finely costs in float32 are told apart: so many levels, or more, from the lowest to the
    highest. Fewer make the search shorter. The matching then costs more than the best one by a
    level for each row at most (its gap), and mostly by far less: see docs/solvers.md."""

    @property
    def exact(self) -> bool:
        return self.levels == _LEVELS

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float]:
        # The gap is what rounding may have cost.
        if (wish := unopposed(without(cost, allowed, np.inf))) is not None:
            return wish, 0.0
        if cost.shape[0] < cost.shape[1]:
            # Scipy computes in float64, where no float32 is too large to be added up; and where
            # columns may stay free, only rows could be centred, which saves it no work.
            wide = cost if cost.dtype == np.float32 else centred(cost, allowed)
            return _by_scipy(without(wide, allowed, np.inf)), 0.0
        room = room_for(self.levels)
        if allowed is None and cost.dtype == np.float32 and len(cost) < _PRICED:
            found = _as_it_is(cost, room)
            if found is not None:
                return found
        level = levelled(cost, allowed)
        if level.unopposed:
            return level.wish, 0.0
        if level.high == level.low:
            free = np.full(len(cost), -1)
            return np.arange(len(cost)) if allowed is None else complete(free, allowed), 0.0
        whole, shift, step = _whole(level, allowed, room)
        columns, _, (_, _, price) = _lapjv.lapjv(whole)
        if cost.dtype == np.float64 or not _proven(whole, columns, price, allowed):
            # Taking a price off a column changes no matching, and leaves hardly anything
            # to search.
            if level.unit != 1.0:
                cost = cost.astype(np.float64) / level.unit
            return _by_scipy(without(cost - (shift + price), allowed, np.inf)), 0.0
        return columns.astype(np.int64), len(cost) * step * level.unit


def _as_it_is(cost: NDArray[np.float32], room: int) -> tuple[NDArray[np.int64], float] | None:
    """Columns that are proved to be the best ones of costs [b, b] that are not evened out, and
    what rounding may have cost.

    Returns:
        None where there is no proof, or where it is better to even out the costs first.
    """
    low, high = float(cost.min()), float(cost.max())
    span = high - low
    if not SMALL < span < LARGE or not _contended(cost, span, room):
        return None
    start = grid_start(span, room)
    whole = onto_grid(cost, start - low, scratch(cost.shape, np.float32))
    columns, _, (_, _, price) = _lapjv.lapjv(whole)
    if not _proven(whole, columns, price, None):
        return None
    return columns.astype(np.int64), len(cost) * grid_step(start)


def _contended(cost: NDArray[Any], span: float, room: int) -> bool:
    """Whether evening out the costs [b, b] would save less than it takes.

    A few rows tell. Where they compete for few columns, the search is as long on even costs; on
    small problems, and on fewer levels, it is over sooner than they are even. Where a constant
    for each column outweighs what tells its rows apart, a grid for the costs as they are would be
    coarse.
    """
    few = cost[:_FEW]
    shift = np.einsum("ij->j", few) / np.float32(len(few))
    if float(shift.max()) - float(shift.min()) > _UNEVEN * span:
        return False
    if len(cost) <= _FEW or room > room_for(_LEVELS):
        return True
    wish = (few - shift).argmin(axis=1)
    return bool(np.count_nonzero(np.bincount(wish)) < _ALIKE * len(few))


def _whole(
    level: Levelled, allowed: NDArray[np.bool_] | None, room: int
) -> tuple[NDArray[np.float32], NDArray[Any], float]:
    """The same problem in whole multiples of a power of two, what came off each column, and that
    power of two.

    Overwrites the costs of ``level``, in place if they are float32: fresh memory costs more
    than the arithmetic in it.
    """
    even, wish, shift = level.cost, level.wish, level.shift
    span = level.high - level.low
    start = grid_start(span, room if allowed is None else max(room, _ROOM_FORBIDDEN))
    step = grid_step(start)
    scattered = np.count_nonzero(level.asked) >= _SCATTERED * len(wish)
    whole = even if even.dtype == np.float32 else np.empty(even.shape, np.float32)
    if allowed is None and not scattered and len(even) < _PRICED:
        return onto_grid(even, start - level.low, whole), shift, step
    if not scattered and len(even) >= _PRICED:
        start_at_zero(even, wish)
        prices = soft_prices(even, np.empty(even.shape, np.float32))
        even -= prices
        wish, shift = even.argmin(axis=1), shift + prices
    onto_grid(even, (start - at(even, wish)).astype(even.dtype)[:, None], whole)
    if allowed is not None:
        whole[~allowed] = start + _FORBIDDEN * span
    return whole, shift, step


def _proven(
    cost: NDArray[Any],
    columns: NDArray[Any],
    price: NDArray[Any],
    allowed: NDArray[np.bool_] | None,
) -> bool:
    """Whether the columns are a permutation of allowed pairs, each the best of its row at the
    prices. By linear programming duality no matching costs less if so. Overwrites ``cost``.
    """
    if np.bincount(columns, minlength=len(cost)).max() > 1:
        return False
    if allowed is not None and not allowed[np.arange(len(cost)), columns].all():
        return False
    cost -= price
    return bool((at(cost, columns) == at(cost, cost.argmin(axis=1))).all())


def _by_scipy(cost: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(linear_sum_assignment(cost)[1], dtype=np.int64)
