"""Solvers that work on one matrix at a time, in the memory of the host."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers.base import Solution, Solver
from natlib.solvers.kernels.centre_costs import at
from natlib.solvers.kernels.dual_bound import lower_bound
from natlib.solvers.kernels.threads import solve_all

__all__ = ["HostSolver"]


class HostSolver(Solver):
    """A solver of NumPy matrices; a stack of them is solved in as many threads as is fastest."""

    @abstractmethod
    def solve_one(self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Columns int64[b] for one finite, C-contiguous cost matrix [b, k], k >= b >= 1.

        Args:
            cost: float32 or float64; not to be written to.
            allowed: the pairs that may be matched; at least one matching exists.
        """

    def solve_with_gap(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        """Columns of :meth:`solve_one`, and their gap if the solver knows it for less work
        than a bound takes to compute.
        """
        return self.solve_one(cost, allowed), None

    def solve_stack(self, cost: Tensor, allowed: Tensor | None) -> Solution:
        problems = cost.cpu().numpy()
        masks = [None] * len(problems) if allowed is None else list(allowed.cpu().numpy())
        solved = solve_all(self.kind, self.solve_with_gap, problems, masks)
        chosen = np.array([one for one, _ in solved])
        # NumPy, since a tensor operation takes as long as a small problem does.
        total = np.array([_paid(*one) for one in zip(problems, chosen, strict=True)])
        columns, paid = _onto(cost.device, chosen), _onto(cost.device, total)
        if self.exact:
            return Solution(columns, paid=paid)
        known = [gap for _, gap in solved if gap is not None]
        if len(known) < len(solved):
            gap = (paid - lower_bound(cost, None, allowed)).clamp_min(0)
        else:
            gap = _onto(cost.device, np.array(known))
        return Solution(columns, gap, paid=paid)


def _paid(cost: NDArray[Any], columns: NDArray[np.int64]) -> np.float64:
    chosen = at(cost, columns)
    if cost.dtype == np.float32:
        return np.float64(chosen.sum(dtype=np.float64))
    with np.errstate(over="ignore"):
        return np.float64(chosen.sum())


def _onto(device: torch.device, values: NDArray[Any]) -> Tensor:
    tensor = torch.from_numpy(values)
    return tensor if device.type == "cpu" else tensor.to(device)
