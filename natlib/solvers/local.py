"""Solvers that match a large problem in small parts.

Shapes: b rows, k columns, d dimensions.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.component import Seed
from natlib.errors import MatchingError
from natlib.solvers.base import Matching, Solution, Solver, check_points
from natlib.solvers.host import HostSolver
from natlib.solvers.kernels.block_problem import BlockProblem, Index
from natlib.solvers.kernels.points import Points
from natlib.solvers.lapjv import Lapjv
from natlib.solvers.problem import Problem

__all__ = ["LocalSolver"]


class LocalSolver(HostSolver):
    """Matches points without the costs of all pairs, on the CPU.

    A problem that fits into one part is solved by ``inner`` as a whole. Given costs in place of
    points, it makes points from some of their rows and columns. Given a mask, it computes the
    costs of all pairs: the mask is as large.
    """

    inner: Solver = Lapjv()
    """Matches a part."""
    seed: Seed = 0
    """Seed of the choice of parts."""

    @property
    def exact(self) -> bool:
        return False

    @property
    @abstractmethod
    def part(self) -> int:
        """Columns of a part at most."""

    @abstractmethod
    def _match_parts(
        self, points: Points, problem: BlockProblem, rng: np.random.Generator
    ) -> tuple[Index, int, bool]:
        """Match a problem of more than one part.

        Args:
            points: where rows and columns lie.
            problem: what pairs cost.
            rng: seeded by ``seed``.

        Returns:
            Columns int64[b], the number of passes, and whether the last one gained little.
        """

    def runs_on_host(self, rows: int, columns: int, device: torch.device | str) -> bool:
        # Larger problems are matched from points, without their costs.
        return columns <= self.part and self.inner.runs_on_host(rows, columns, device)

    def _solve(self, problem: Problem) -> Solution:
        if problem.columns <= self.part:
            return self.inner._solve(problem)
        return super()._solve(problem)

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        rng = np.random.default_rng(self.seed)
        points = Points.of_costs(cost, allowed, rng)
        problem = BlockProblem.of_costs(cost, allowed, self.inner)
        return self._match_parts(points, problem, rng)[0], None

    @torch.no_grad()
    def match(self, z: Tensor, c: Tensor, allowed: Tensor | None = None) -> Matching:
        """See :meth:`Solver.match`; the gap is infinite, since most costs are not known."""
        check_points(z, c)
        b, k = z.shape[-2], c.shape[-2]
        stack = torch.broadcast_shapes(z.shape[:-2], c.shape[:-2])
        if k <= self.part or b == 0 or 0 in stack or allowed is not None:
            return super().match(z, c, allowed)
        Problem(z.new_empty(0, b, k))  # refuses k < b
        z_host = z.detach().cpu().expand(*stack, *z.shape[-2:])
        c_host = c.detach().cpu().expand(*stack, *c.shape[-2:])
        if torch.float64 not in (z_host.dtype, c_host.dtype):
            z_host, c_host = z_host.float(), c_host.float()
        if not torch.isfinite(c_host).all():
            raise MatchingError("a candidate holds NaN or infinity; check the targets")
        bad = (~torch.isfinite(z_host).all(-1)).nonzero()
        if len(bad):
            raise MatchingError(
                f"the point of row {int(bad[0][-1])} holds NaN or infinity; check the features"
            )
        found, totals, most, all_converged = [], [], 0, True
        for one, other in zip(
            z_host.reshape(-1, *z_host.shape[-2:]),
            c_host.reshape(-1, *c_host.shape[-2:]),
            strict=True,
        ):
            problem = BlockProblem.of_points(one, other, self.inner)
            columns, passes, converged = self._match_parts(
                Points.of_vectors(one, other), problem, np.random.default_rng(self.seed)
            )
            found.append(torch.from_numpy(columns))
            totals.append(problem.total(columns))
            most, all_converged = max(most, passes), all_converged and converged
        cost = torch.tensor(totals, dtype=torch.float64, device=z.device).view(stack)
        return Matching(
            torch.stack(found).view(*stack, b).to(z.device),
            cost,
            exact=False,
            iterations=most,
            converged=all_converged,
            gap=torch.full_like(cost, torch.inf),
        )
