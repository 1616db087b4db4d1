"""Exact matching by SciPy."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from natlib.component import register
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.centre_costs import centre_costs, peak_of
from natlib.solvers.kernels.float64 import match_in_float64

__all__ = ["Scipy"]


@register
class Scipy(HostSolver):
    """Exact (Crouse 2016; ``scipy.optimize.linear_sum_assignment``).

    Rows and columns of costs are centred first. That changes no matching, and on nearly collapsed
    features, whose costs differ mostly by a constant for each column, it is ten to
    thirty times as fast. Costs with a larger spread than float64 resolves are matched by groups of
    digits.
    """

    kind: Literal["scipy"] = "scipy"

    @property
    def exact(self) -> bool:
        return True

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float]:
        centred = centre_costs(cost.astype(np.float64), allowed)
        return match_in_float64(cost, allowed, centred, peak_of(cost)), 0.0
