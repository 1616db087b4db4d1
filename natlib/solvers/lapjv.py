"""Exact matching by Jonker-Volgenant shortest augmenting paths."""

from typing import Any, ClassVar, Literal

import lapjv as _lapjv
import numpy as np
from numpy.typing import NDArray

from natlib.component import register
from natlib.solvers.base import Solver

__all__ = ["Lapjv"]


@register
class Lapjv(Solver):
    """Exact; the default on a CPU (Jonker & Volgenant 1987; the package ``lapjv``).

    Two to twenty times as fast as scipy's from b = 1,024, above all on features that
    have nearly collapsed. A wide matrix is made square by rows of equal costs, which
    take whatever columns are left.
    """

    kind: Literal["lapjv"] = "lapjv"
    exact: ClassVar[bool] = True

    def solve_one(self, cost: NDArray[Any]) -> NDArray[np.int64]:
        rows, columns = cost.shape
        # A row's own constant is what float32 loses its digits on.
        square = np.zeros((columns, columns), dtype=cost.dtype)
        np.subtract(cost, cost.mean(axis=1, keepdims=True), out=square[:rows])
        chosen = _lapjv.lapjv(square, force_doubles=cost.dtype == np.float64)[0]
        return np.asarray(chosen[:rows], dtype=np.int64)
