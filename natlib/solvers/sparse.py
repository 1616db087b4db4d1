"""Exact matching among the cheapest pairs, with a proof that no other pair improves it."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from natlib.component import register
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.candidates import (
    add_pairs,
    cheaper_pairs,
    cheapest,
    match_candidates,
    optimal_prices,
)
from natlib.solvers.kernels.centre_costs import (
    centre_columns,
    conflict_free,
    costs_of,
    soft_prices,
    subtract_row_minima,
)
from natlib.solvers.kernels.resolution import is_resolved
from natlib.solvers.lapjv import Lapjv

__all__ = ["Sparse"]

# How much cheaper an omitted pair may be, as a share of the largest cost.
_TOLERANCE = {4: 5e-7, 8: 2e-14}
# Roundings in units of the span: constants come off columns and rows, then two prices.
_ROUNDINGS = 8
# Times that candidates are added before another solver takes over.
_ATTEMPTS = 6
# So many times more candidates than requested come from ties: not a case for this solver.
_TIED = 8


@register
class Sparse(HostSolver):
    """Exact; faster than ``lapjv`` on large square problems, up to twice as fast.

    Prices from a few rounds of Sinkhorn's algorithm make the demand for all columns nearly equal.
    After subtracting them, the cheapest matching almost always lies among a few columns for each
    row, and a solver for sparse graphs finds it there (Volgenant 1996, "Linear and semi-assignment
    problems: a core oriented approach"). The prices of that matching show which other
    pairs could make it cheaper; these are added until there are none, which proves
    that the matching is optimal.

    Small, wide and masked problems, those with too many ties, and those of which rounding hides too
    much go to ``lapjv``.
    """

    kind: Literal["sparse"] = "sparse"
    candidates: int = Field(default=32, ge=2)
    """Columns of each row to start with."""
    smallest: int = Field(default=2048, ge=1)
    """Smaller problems go to ``lapjv``."""

    @property
    def exact(self) -> bool:
        return True

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float]:
        square = cost.shape[0] == cost.shape[1]
        if square and allowed is None and len(cost) >= max(self.smallest, 3):
            if (best := conflict_free(cost)) is not None:
                return best, 0.0
            found = self._among_candidates(cost)
            if found is not None:
                columns, rounding = found
                if is_resolved(costs_of(cost, columns), rounding, cost.dtype.itemsize):
                    return columns, len(cost) * rounding
        return Lapjv()._solve_matrix(cost, allowed)

    def _among_candidates(self, cost: NDArray[Any]) -> tuple[NDArray[np.int64], float] | None:
        """Columns, and how much more than the best ones they may cost for each row."""
        size = len(cost)
        level = centre_columns(cost, None)
        eps = float(np.finfo(level.cost.dtype).eps)
        if level.conflict_free:
            return level.best, eps * max(-level.low, level.high) * level.unit
        if level.high == level.low:
            return None
        reduced, high = level.cost, level.high - level.low
        tolerance = _TOLERANCE[reduced.dtype.itemsize] * high
        rounding = (tolerance + _ROUNDINGS * eps * high) * level.unit
        # What rounding hides in the cheapest pairs of rows it hides in any matching; and SciPy's
        # solver does not come to an end where rounding swallows differences.
        if not is_resolved(costs_of(cost, level.best), rounding, cost.dtype.itemsize):
            return None
        subtract_row_minima(reduced, level.best)
        reduced -= soft_prices(reduced, np.empty(reduced.shape, dtype=np.float32)).astype(
            reduced.dtype
        )
        candidates = cheapest(reduced, self.candidates)
        price = np.zeros(size)
        for _ in range(_ATTEMPTS):
            if len(candidates.row) > _TIED * self.candidates * size:
                return None
            matched = match_candidates(candidates, price)
            if matched is None:
                return None
            lower = optimal_prices(candidates, matched, price, tolerance / 2)
            if lower is None:
                return None
            price = lower
            cheaper = cheaper_pairs(reduced, matched, price, tolerance)
            if not len(cheaper):
                return matched, rounding
            candidates = add_pairs(reduced, candidates, cheaper)
        return None
