"""The matching problem and what every solver of it returns.

Shapes: p problems, b rows, k columns, d dimensions.
"""

import math
from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from natlib.component import Component, Registry
from natlib.errors import MatchingError
from natlib.solvers.kernels.mask import check_feasible

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
        gap: float64[...], how much more the matching costs than the cheapest one at most:
            0 where it is exact, infinite where nothing is known.
    """

    columns: Tensor
    cost: Tensor
    exact: bool
    iterations: int
    converged: bool
    gap: Tensor


class Solution(NamedTuple):
    """What a solver finds for a stack of problems.

    Attributes:
        columns: int64[p, b].
        gap: float64[p], see :class:`Matching`; None for 0.
        iterations: see :class:`Matching`.
        converged: see :class:`Matching`.
        paid: float64[p], the cost of the matching, if the solver has added it up.
    """

    columns: Tensor
    gap: Tensor | None = None
    iterations: int = 0
    converged: bool = True
    paid: Tensor | None = None


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
    """Deals k candidates to b rows, one-to-one, at the lowest cost it can find.

    Adding a constant to a row or a column, or scaling all costs by a positive
    number, changes no solver's answer beyond rounding. The same costs get the same answer,
    whatever the number of threads.
    """

    registry: ClassVar[Registry[Any]] = Registry("solver", "natlib.solvers")

    @property
    @abstractmethod
    def exact(self) -> bool:
        """Whether no other matching costs less, up to rounding."""

    @abstractmethod
    def solve_stack(self, cost: Tensor, allowed: Tensor | None) -> Solution:
        """Match every problem of a stack; checked before, so that nothing else is needed.

        Args:
            cost: float32 or float64 Tensor[p, b, k], finite, k >= b >= 1, p >= 1, without
                gradient; contiguous; not to be written to. Where a pair is not allowed it is 0.
            allowed: bool[p, b, k], the pairs that may be matched, with at least one matching
                in every problem; None for all pairs.
        """

    def choose(self, rows: int, columns: int, device: torch.device) -> "Solver":
        """The solver that does the work for problems of this size: itself, unless it delegates.

        Args:
            rows: b.
            columns: k.
            device: where the points or costs are.
        """
        return self

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
        wide, mask = checked(cost, allowed)
        if cost.numel() == 0:
            nothing = torch.zeros(cost.shape[:-1], dtype=torch.int64, device=cost.device)
            free = nothing.sum(-1, dtype=torch.float64)
            return Matching(nothing, free, self.exact, 0, True, free)
        solution = self.solve_stack(wide.reshape(-1, *cost.shape[-2:]).contiguous(), mask)
        chosen = solution.columns.view(cost.shape[:-1])
        if solution.paid is None:
            paid = wide.gather(-1, chosen.unsqueeze(-1)).sum((-2, -1), dtype=torch.float64)
        else:
            paid = solution.paid.view(cost.shape[:-2])
        gap = torch.zeros_like(paid) if solution.gap is None else solution.gap.view_as(paid)
        return Matching(chosen, paid, self.exact, solution.iterations, solution.converged, gap)

    def match(self, z: Tensor, c: Tensor, allowed: Tensor | None = None) -> Matching:
        """Match points Tensor[..., b, d] with candidates Tensor[..., k, d].

        The cost of a pair is :func:`pairwise_cost`; leading dimensions broadcast.
        """
        return self.solve(pairwise_cost(z, c), allowed)


def checked(cost: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What :meth:`Solver.solve` takes, or one of the errors that it raises.

    Returns:
        Costs float32 or float64 [..., b, k], without gradient and 0 where a pair is not
        allowed, and the mask bool[p, b, k] of all problems in a row, or None.
    """
    rows, columns = _checked_shape(cost)
    wide = cost.detach()
    if wide.dtype not in (torch.float32, torch.float64):
        wide = wide.float()
    if allowed is not None:
        allowed = _checked_mask(allowed, cost)
        wide = torch.where(allowed, wide, 0.0)
        allowed = allowed.reshape(cost.shape[:-2].numel(), rows, columns)
    _check_finite(wide)
    if allowed is not None and cost.numel() > 0:
        check_feasible(allowed, cost.shape[:-2])
    return wide, allowed


def _checked_shape(cost: Tensor) -> tuple[int, int]:
    if cost.ndim < 2:
        raise MatchingError(f"costs need the shape [..., b, k], got {list(cost.shape)}")
    rows, columns = cost.shape[-2:]
    if columns < rows:
        raise MatchingError(
            f"{rows} rows cannot own one column each of only {columns}; "
            "give at least as many candidates as samples"
        )
    return rows, columns


def _checked_mask(allowed: Tensor, cost: Tensor) -> Tensor:
    if allowed.dtype != torch.bool:
        raise MatchingError(f"a mask of allowed pairs needs the type bool, got {allowed.dtype}")
    try:
        return allowed.to(cost.device).broadcast_to(cost.shape)
    except RuntimeError as error:
        raise MatchingError(
            f"a mask of the shape {list(allowed.shape)} does not fit costs {list(cost.shape)}; "
            "give one truth value for each pair"
        ) from error


def _check_finite(cost: Tensor) -> None:
    # One sum finds every NaN and infinity, and in a rare while a sum that is too large for
    # its type; only then is the row looked for.
    if math.isfinite(cost.sum().item()):
        return
    bad = ~torch.isfinite(cost).all(-1)
    if bad.any():
        where = bad.nonzero()[0].tolist()
        problem = f" of problem {where[:-1]}" if len(where) > 1 else ""
        raise MatchingError(
            f"the costs of row {where[-1]}{problem} hold NaN or infinity; "
            "check the features that they were made from"
        )
