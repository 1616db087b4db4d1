"""Solvers that work on one matrix at a time, in the memory of the host."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers.base import Solution, Solver
from natlib.solvers.duality import lower_bound
from natlib.solvers.threads import solve_all

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
        host = cost.cpu()
        problems = host.numpy()
        masks = [None] * len(problems) if allowed is None else list(allowed.cpu().numpy())
        solved = solve_all(self.kind, self.solve_with_gap, problems, masks)
        columns = torch.from_numpy(np.stack([one for one, _ in solved])).to(cost.device)
        if self.exact:
            return Solution(columns)
        known = [gap for _, gap in solved if gap is not None]
        if len(known) < len(solved):
            return Solution(columns, _gap(cost, columns, allowed))
        return Solution(columns, torch.tensor(known, dtype=torch.float64, device=cost.device))


def _gap(cost: Tensor, columns: Tensor, allowed: Tensor | None) -> Tensor:
    """How far the matchings are from the best ones at most."""
    paid = cost.gather(-1, columns.unsqueeze(-1)).squeeze(-1).sum(-1, dtype=torch.float64)
    return (paid - lower_bound(cost, None, allowed)).clamp_min(0)
