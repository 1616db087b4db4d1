"""Solvers that look at small parts of a large problem.

Shapes: b rows, k columns, d dimensions.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from natlib.errors import MatchingError
from natlib.solvers.base import Matching, Solution, Solver
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.block_problem import Dealing, Rows
from natlib.solvers.lapjv import Lapjv
from natlib.solvers.problem import Problem

__all__ = ["LocalSolver"]


class LocalSolver(HostSolver):
    """Matches points without the costs of all pairs, on the CPU.

    A problem that fits into one part is solved by ``inner`` as a whole. Given costs in place of
    points, it makes points from some rows and columns of them. Given a mask, it computes all
    costs, as large as the mask.
    """

    inner: Solver = Lapjv()
    """Matches a part."""
    seed: int = Field(default=0, ge=0)
    """Seed of the choice of parts."""

    @property
    def exact(self) -> bool:
        return False

    @property
    @abstractmethod
    def part(self) -> int:
        """Columns of a part at most."""

    @abstractmethod
    def deal(self, dealing: Dealing, rows: int, rng: np.random.Generator) -> tuple[Rows, int, bool]:
        """Match a problem of more than one part.

        Returns:
            Columns int64[b], the number of passes, and whether the last one gained little.
        """

    def _solve(self, problem: Problem) -> Solution:
        if problem.columns <= self.part:
            return self.inner._solve(problem)
        return super()._solve(problem)

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        rng = np.random.default_rng(self.seed)
        dealing = Dealing.of_costs(cost, allowed, self.inner, rng)
        return self.deal(dealing, len(cost), rng)[0], None

    @torch.no_grad()
    def match(self, z: Tensor, c: Tensor, allowed: Tensor | None = None) -> Matching:
        """See :meth:`Solver.match`; the gap is infinite, since most costs are not known."""
        b, k = z.shape[-2], c.shape[-2]
        stack = torch.broadcast_shapes(z.shape[:-2], c.shape[:-2])
        if k <= self.part or b == 0 or 0 in stack or allowed is not None:
            return super().match(z, c, allowed)
        Problem(z.new_empty(0, b, k))  # refuses k < b
        points = z.detach().cpu().expand(*stack, *z.shape[-2:])
        candidates = c.detach().cpu().expand(*stack, *c.shape[-2:])
        if points.dtype != torch.float64:
            points, candidates = points.float(), candidates.float()
        if not torch.isfinite(candidates).all():
            raise MatchingError("a candidate holds NaN or infinity; check the targets")
        bad = (~torch.isfinite(points).all(-1)).nonzero()
        if len(bad):
            raise MatchingError(
                f"the point of row {int(bad[0][-1])} holds NaN or infinity; check the features"
            )
        found, paid, most, settled = [], [], 0, True
        for one, other in zip(
            points.reshape(-1, *points.shape[-2:]),
            candidates.reshape(-1, *candidates.shape[-2:]),
            strict=True,
        ):
            rng = np.random.default_rng(self.seed)
            dealing = Dealing.of_points(one, other, self.inner)
            columns, passes, converged = self.deal(dealing, b, rng)
            found.append(torch.from_numpy(columns))
            paid.append(dealing.paid(columns))
            most, settled = max(most, passes), settled and converged
        columns_ = torch.stack(found).view(*stack, b).to(z.device)
        cost = torch.tensor(paid, dtype=torch.float64, device=z.device).view(stack)
        return Matching(columns_, cost, False, most, settled, torch.full_like(cost, torch.inf))
