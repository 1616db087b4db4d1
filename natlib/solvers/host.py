"""Solvers that work on one matrix at a time, in host memory."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.errors import MatchingError
from natlib.solvers.base import Solution, Solver
from natlib.solvers.kernels.centre_costs import costs_of
from natlib.solvers.kernels.dual_bound import proven_gap
from natlib.solvers.kernels.threads import solve_all
from natlib.solvers.problem import Problem

__all__ = ["HostSolver"]


class HostSolver(Solver):
    """A solver of NumPy matrices; a stack of them is solved in as many threads as is fastest.

    Those who write one implement ``_solve_matrix`` and ``exact``.
    """

    @abstractmethod
    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        """Match one finite, C-contiguous cost matrix [b, k], k >= b >= 1.

        Args:
            cost: float32 or float64; not to be written to. 0 where a pair is not allowed.
            allowed: bool[b, k], the pairs that may be matched; at least one matching exists.

        Returns:
            Columns int64[b], and the gap; None for 0 from an exact solver, and otherwise where a
            bound is to be computed for it.
        """

    def runs_on_host(self, rows: int, columns: int, device: torch.device | str) -> bool:
        return True

    def _solve(self, problem: Problem) -> Solution:
        cost, allowed = problem.cost, problem.allowed
        matrices = cost.cpu().numpy()
        masks = [None] * len(matrices) if allowed is None else list(allowed.cpu().numpy())
        solved = solve_all(self.kind, self._solve_matrix, matrices, masks)
        chosen = _checked_columns(self.kind, [columns for columns, _ in solved], matrices.shape)
        # NumPy, since a tensor operation takes as long as a small problem does.
        totals = np.array([_total(*one) for one in zip(matrices, chosen, strict=True)])
        columns, total = _onto(cost.device, chosen), _onto(cost.device, totals)
        known = [gap for _, gap in solved if gap is not None]
        if len(known) == len(solved):
            gap = _onto(cost.device, np.array(known, dtype=np.float64))
        elif self.exact:
            gap = None
        else:
            gap = proven_gap(cost, columns, None, allowed)
        return Solution(columns, gap, total=total)


def _checked_columns(
    kind: str, found: list[NDArray[np.int64]], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """The columns int64[p, b] that a solver found for costs of the shape [p, b, k]."""
    p, b, k = shape
    try:
        columns = np.array(found)
    except ValueError:  # of different lengths
        columns = np.array(found, dtype=object)
    if columns.dtype.kind not in "iu" or columns.shape != (p, b):
        wrong = [
            one for one in map(np.asarray, found) if one.dtype.kind not in "iu" or one.shape != (b,)
        ]
        each = wrong[0] if wrong else np.asarray(found[0])
        raise MatchingError(
            f"solver {kind!r} returned columns of the type {each.dtype} and shape "
            f"{list(each.shape)} for {b} rows; return whole numbers of the shape [{b}] from "
            "_solve_matrix"
        )
    if columns.dtype != np.int64:
        columns = columns.astype(np.int64)
    # Negative numbers are the largest unsigned ones.
    if np.maximum.reduce(columns.view(np.uint64), axis=None) >= k:
        raise MatchingError(
            f"solver {kind!r} returned columns from {columns.min()} to {columns.max()} for costs "
            f"with {k} columns; number them from 0 to {k - 1}"
        )
    return columns


def _total(cost: NDArray[Any], columns: NDArray[np.int64]) -> np.float64:
    chosen = costs_of(cost, columns)
    if cost.dtype == np.float32:
        return np.float64(np.add.reduce(chosen, dtype=np.float64))
    with np.errstate(over="ignore"):
        return np.float64(chosen.sum())


def _onto(device: torch.device, values: NDArray[Any]) -> Tensor:
    tensor = torch.from_numpy(values)
    return tensor if device.type == "cpu" else tensor.to(device)
