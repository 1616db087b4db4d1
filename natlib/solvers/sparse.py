"""Exact matching among the cheapest pairs, and a proof that the others do not matter."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from natlib.component import register
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.candidates import (
    cheaper_pairs,
    cheapest,
    joined,
    match_candidates,
    prices_of,
)
from natlib.solvers.kernels.centre_costs import levelled, soft_prices, start_at_zero, unopposed
from natlib.solvers.lapjv import Lapjv

__all__ = ["Sparse"]

# How much cheaper a pair may be that is left out, in parts of the largest cost.
_TOLERANCE = {4: 5e-7, 8: 2e-14}
# Times that candidates are added before another solver takes over.
_ATTEMPTS = 6
# So many times more candidates than asked for come from ties: no case for this solver.
_TIED = 8


@register
class Sparse(HostSolver):
    """Exact; faster than ``lapjv`` on large square problems, up to twice as fast.

    Prices from a few rounds of Sinkhorn's algorithm make the demand for columns nearly even.
    With them off, the cheapest matching is almost always among a few columns for each row,
    and a solver for sparse graphs finds it there (Volgenant 1996, "Linear and semi-assignment
    problems: a core oriented approach"). The prices of that matching tell which other
    pairs could make it cheaper; these are added until there are none, which proves
    that the matching is the best of all.

    Small, wide and masked problems, and those with too many ties, go to ``lapjv``.
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
            if (wish := unopposed(cost)) is not None:
                return wish, 0.0
            found = self._among_candidates(cost)
            if found is not None:
                return found, 0.0
        return Lapjv()._solve_matrix(cost, allowed)

    def _among_candidates(self, cost: NDArray[Any]) -> NDArray[np.int64] | None:
        size = len(cost)
        level = levelled(cost, None)
        if level.unopposed:
            return level.wish
        if level.high == level.low:
            return None
        even, high = level.cost, level.high - level.low
        start_at_zero(even, level.wish)
        even -= soft_prices(even, np.empty(even.shape, dtype=np.float32)).astype(even.dtype)
        tolerance = _TOLERANCE[even.dtype.itemsize] * high
        candidates = cheapest(even, self.candidates)
        price = np.zeros(size)
        for _ in range(_ATTEMPTS):
            if len(candidates.row) > _TIED * self.candidates * size:
                return None
            matched = match_candidates(candidates, price)
            if matched is None:
                return None
            lower = prices_of(candidates, matched, price, tolerance / 2)
            if lower is None:
                return None
            price = lower
            cheaper = cheaper_pairs(even, matched, price, tolerance)
            if not len(cheaper):
                return matched
            candidates = joined(even, candidates, cheaper)
        return None
