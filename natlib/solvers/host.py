"""Solvers that work on one matrix at a time, in host memory."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers.base import Solution, Solver
from natlib.solvers.kernels.centre_costs import costs_of
from natlib.solvers.kernels.dual_bound import lower_bound
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
            Columns int64[b], and the gap; None where a bound is to be computed for it.
        """

    def runs_on_host(self, rows: int, columns: int, device: torch.device | str) -> bool:
        return True

    def _solve(self, problem: Problem) -> Solution:
        cost, allowed = problem.cost, problem.allowed
        matrices = cost.cpu().numpy()
        masks = [None] * len(matrices) if allowed is None else list(allowed.cpu().numpy())
        solved = solve_all(self.kind, self._solve_matrix, matrices, masks)
        chosen = np.array([columns for columns, _ in solved])
        # NumPy, since a tensor operation takes as long as a small problem does.
        totals = np.array([_total(*one) for one in zip(matrices, chosen, strict=True)])
        columns, total = _onto(cost.device, chosen), _onto(cost.device, totals)
        if self.exact:
            return Solution(columns, total=total)
        known = [gap for _, gap in solved if gap is not None]
        if len(known) < len(solved):
            gap = (total - lower_bound(cost, None, allowed)).clamp_min(0)
        else:
            gap = _onto(cost.device, np.array(known))
        return Solution(columns, gap, total=total)


def _total(cost: NDArray[Any], columns: NDArray[np.int64]) -> np.float64:
    chosen = costs_of(cost, columns)
    if cost.dtype == np.float32:
        return np.float64(chosen.sum(dtype=np.float64))
    with np.errstate(over="ignore"):
        return np.float64(chosen.sum())


def _onto(device: torch.device, values: NDArray[Any]) -> Tensor:
    tensor = torch.from_numpy(values)
    return tensor if device.type == "cpu" else tensor.to(device)
