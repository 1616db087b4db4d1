"""Approximate matching: the cheapest pair first."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from natlib.component import register
from natlib.solvers.centring import centred
from natlib.solvers.host import HostSolver

__all__ = ["Greedy"]


@register
class Greedy(HostSolver):
    """Takes the cheapest pair that is still free, again and again: a lower-quality baseline.

    Rows are centred first, so that a row's own constant does not decide who chooses
    first. The cheapest free pair is always some row's best column and some column's
    best row; every such mutual pair is taken at once, which gives the same matching
    as one at a time and needs few passes.
    """

    kind: Literal["greedy"] = "greedy"

    @property
    def exact(self) -> bool:
        return False

    def solve_one(self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        left = centred(cost.astype(np.float64))
        result = np.empty(len(left), dtype=np.int64)
        rows, columns = np.arange(left.shape[0]), np.arange(left.shape[1])
        while len(rows):
            best_column = left.argmin(axis=1)
            best_row = left.argmin(axis=0)
            mutual = best_row[best_column] == np.arange(len(rows))
            taken = best_column[mutual]
            result[rows[mutual]] = columns[taken]
            rows, columns = rows[~mutual], np.delete(columns, taken)
            left = np.delete(left[~mutual], taken, axis=1)
        return result
