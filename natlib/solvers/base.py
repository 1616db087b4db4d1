"""What every solver promises and returns.

Shapes: p problems, b rows, k columns, d dimensions.
"""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from natlib.component import Component, Registry
from natlib.families import SOLVERS
from natlib.solvers.problem import Problem

__all__ = ["Matching", "Solution", "Solver", "pairwise_cost"]


class Matching(NamedTuple):
    """A one-to-one matching of b rows with k >= b columns.

    Attributes:
        columns: int64[..., b], the column of each row; no column twice.
        cost: float64[...], the sum of the costs of the matched pairs.
        exact: whether no other matching costs less, up to rounding: two millionths of
            the largest cost for each pair, less for costs in float64.
        iterations: rounds that an iterative solver took, the most of any problem; 0 for others.
        converged: whether every problem met the solver's own tolerance.
        gap: float64[...], an upper bound on how much more the matching costs than the cheapest
            one: 0 where it is exact, infinite where nothing is known.
    """

    columns: Tensor
    cost: Tensor
    exact: bool
    iterations: int
    converged: bool
    gap: Tensor


class Solution(NamedTuple):
    """What a solver finds for a :class:`Problem`.

    Attributes:
        columns: int64[p, b], the column of each row.
        gap: float64[p], see :class:`Matching`; None for 0.
        iterations: see :class:`Matching`.
        converged: see :class:`Matching`.
        total: float64[p], the cost of the matching, if the solver has added it up; it is
            computed otherwise.
    """

    columns: Tensor
    gap: Tensor | None = None
    iterations: int = 0
    converged: bool = True
    total: Tensor | None = None


def pairwise_cost(z: Tensor, c: Tensor) -> Tensor:
    """Half the squared distances between points and candidates, up to a row constant.

    The term ``|z|^2`` is left out: it shifts whole rows and so changes no matching.

    Args:
        z: Tensor[..., b, d].
        c: Tensor[..., k, d].

    Returns:
        float32 (or float64, if given) Tensor[..., b, k], whatever the autocast dtype.
    """
    with torch.autocast(z.device.type, enabled=False):
        if z.dtype != torch.float64:
            z, c = z.float(), c.float()
        # In place: memory for as many numbers again takes as long as all arithmetic in them.
        return (-z @ c.transpose(-1, -2)).add_(0.5 * c.square().sum(-1).unsqueeze(-2))


class Solver(Component):
    """Matches b rows with k candidate columns, one-to-one, at the lowest cost it can find.

    Adding a constant to a row or a column, or scaling all costs by a positive
    number, changes no solver's answer beyond rounding. The same costs get the same answer,
    whatever the number of threads.

    Those who write a solver implement ``_solve(problem) -> Solution`` and ``exact``.
    """

    registry: ClassVar[Registry[Any]] = SOLVERS

    @property
    @abstractmethod
    def exact(self) -> bool:
        """Whether no other matching costs less, up to rounding."""

    @abstractmethod
    def _solve(self, problem: Problem) -> Solution:
        """Match every problem of a stack that holds at least one row.

        Args:
            problem: checked; its tensors are not to be written to.
        """

    @torch.no_grad()
    def solve(self, cost: Tensor, allowed: Tensor | None = None) -> Matching:
        """Match every matrix of a stack.

        Args:
            cost: Tensor[..., b, k] with k >= b, finite wherever a pair is allowed; half
                precision is widened to float32.
            allowed: bool Tensor that broadcasts to the shape of ``cost``: the pairs that may
                be matched; by default all.

        Returns:
            A matching whose tensors lie on the device of ``cost``.

        Raises:
            MatchingError: k < b, a cost that is NaN or infinite, or a mask that no matching
                satisfies (names the row).
        """
        problem = Problem(cost, allowed)
        if problem.cost.numel() == 0:
            nothing = torch.zeros(cost.shape[:-1], dtype=torch.int64, device=cost.device)
            free = nothing.sum(-1, dtype=torch.float64)
            return Matching(nothing, free, self.exact, 0, True, free)
        solution = self._solve(problem)
        total = solution.total
        if total is None:
            pairs = problem.cost.gather(-1, solution.columns.unsqueeze(-1))
            total = pairs.sum((-2, -1), dtype=torch.float64)
        gap = torch.zeros_like(total) if solution.gap is None else solution.gap
        return Matching(
            solution.columns.view(cost.shape[:-1]),
            total.view(problem.stack),
            self.exact,
            solution.iterations,
            solution.converged,
            gap.view(problem.stack),
        )

    def match(self, z: Tensor, c: Tensor, allowed: Tensor | None = None) -> Matching:
        """Match points Tensor[..., b, d] with candidates Tensor[..., k, d].

        The cost of a pair is :func:`pairwise_cost`; leading dimensions broadcast.
        """
        return self.solve(pairwise_cost(z, c), allowed)

    def runs_on_host(self, rows: int, columns: int, device: torch.device | str) -> bool:
        """Whether it copies the costs of so many pairs to host memory and solves them there.

        Args:
            rows: b.
            columns: k.
            device: where points and costs lie.
        """
        return False
