"""What every solver promises and returns.

Shapes: p problems, b rows, k columns, d dimensions.
"""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from natlib.component import Component, Registry
from natlib.errors import MatchingError
from natlib.families import SOLVERS
from natlib.solvers.kernels.penalties import forbid_penalties
from natlib.solvers.problem import Problem

__all__ = ["Matching", "Solution", "Solver", "pairwise_cost"]


class Matching(NamedTuple):
    """A one-to-one matching of b rows with k >= b columns.

    Attributes:
        columns: int64[..., b], the column of each row; no column twice.
        cost: float64[...], the sum of the costs of the matched pairs.
        exact: whether the solver proves that no other matching costs less, up to rounding: a
            ten-thousandth of the cost of a typical matched pair at most, for each pair, and mostly
            a millionth or nothing.
        iterations: rounds that an iterative solver took, the most of any problem; 0 for others.
        converged: whether every problem met the solver's own tolerance.
        gap: float64[...], an upper bound on how much more the matching costs than the cheapest
            one: 0, or what rounding may have cost, where it is exact; infinite where nothing is
            known.
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
        columns: int64[p, b], the column of each row; other whole numbers are converted.
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
        float32 (or float64, if either is) Tensor[..., b, k], whatever the autocast dtype.

    Raises:
        MatchingError: points and candidates do not fit together.
    """
    check_points(z, c)
    with torch.autocast(z.device.type, enabled=False):
        if z.dtype == torch.float64 or c.dtype == torch.float64:
            z, c = z.double(), c.double()
        else:
            z, c = z.float(), c.float()
        # In place: memory for as many numbers again takes as long as all arithmetic in them.
        return (-z @ c.transpose(-1, -2)).add_(0.5 * c.square().sum(-1).unsqueeze(-2))


def check_points(z: Tensor, c: Tensor) -> None:
    """Check that points [..., b, d] and candidates [..., k, d] can be compared.

    Raises:
        MatchingError: they have different dimensions, lie on different devices, or are complex.
    """
    if min(z.ndim, c.ndim) < 2 or z.shape[-1] != c.shape[-1]:
        raise MatchingError(
            f"points {list(z.shape)} and candidates {list(c.shape)} need the shapes [..., b, d] "
            "and [..., k, d] with the same d; set dim of the targets to the width of the embeddings"
        )
    if z.device != c.device:
        raise MatchingError(
            f"points lie on {z.device} and candidates on {c.device}; move them to one device"
        )
    if z.is_complex() or c.is_complex():
        raise MatchingError(
            f"points in {z.dtype} and candidates in {c.dtype} cannot be matched; give real numbers"
        )
    if z.shape[:-2] != c.shape[:-2]:
        try:
            torch.broadcast_shapes(z.shape[:-2], c.shape[:-2])
        except RuntimeError as error:
            raise MatchingError(
                f"points {list(z.shape)} and candidates {list(c.shape)} are stacks of different "
                "sizes; give one stack for both, or as many of each"
            ) from error


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
            MatchingError: k < b, a cost that is NaN, infinite or complex, or a mask that no
                matching satisfies (names the row); or the solver returns no columns.
        """
        problem = Problem(cost, allowed)
        if problem.cost.numel() == 0:
            nothing = torch.zeros(cost.shape[:-1], dtype=torch.int64, device=cost.device)
            free = nothing.sum(-1, dtype=torch.float64)
            return Matching(nothing, free, self.exact, 0, True, free)
        # Exact solvers resolve penalties themselves.
        solution = self._solve(problem if self.exact else forbid_penalties(problem))
        columns, total = solution.columns, solution.total
        if columns.dtype != torch.int64 or columns.shape != problem.cost.shape[:2]:
            columns = self._whole(columns, problem)
        if total is None:
            self._check_range(columns, problem)
            pairs = problem.cost.gather(-1, columns.unsqueeze(-1))
            total = pairs.sum((-2, -1), dtype=torch.float64)
        gap = solution.gap
        if gap is None:
            gap = torch.zeros_like(total)
        elif gap.dtype != torch.float64:
            gap = gap.double()
        return Matching(
            columns.view(cost.shape[:-1]),
            total.view(problem.stack),
            self.exact,
            solution.iterations,
            solution.converged,
            gap.view(problem.stack),
        )

    def _whole(self, columns: Tensor, problem: Problem) -> Tensor:
        shape = problem.cost.shape[:2]
        whole = not (columns.is_floating_point() or columns.is_complex())
        if columns.shape != shape or not whole or columns.dtype == torch.bool:
            raise MatchingError(
                f"solver {self.kind!r} returned columns of the type {columns.dtype} and shape "
                f"{list(columns.shape)}; return int64 {list(shape)}, the column of each row"
            )
        return columns.long()

    def _check_range(self, columns: Tensor, problem: Problem) -> None:
        # An index out of range ends the whole process on an accelerator.
        low, high = (int(end) for end in columns.aminmax())
        if low < 0 or high >= problem.columns:
            raise MatchingError(
                f"solver {self.kind!r} returned columns from {low} to {high} for costs with "
                f"{problem.columns} columns; number them from 0 to {problem.columns - 1}"
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
