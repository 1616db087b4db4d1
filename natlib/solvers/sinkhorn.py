"""Entropic optimal transport: a soft matching, and a one-to-one one made from it.

Shapes: p problems, b rows, k columns.
"""

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.solvers.base import Solution, Solver
from natlib.solvers.kernels.auction_from_prices import deal
from natlib.solvers.kernels.normalise_costs import Even, even_out
from natlib.solvers.kernels.scaling import Schedule, balance
from natlib.solvers.problem import Problem

__all__ = ["Plan", "Sinkhorn"]

# Of the auction that follows: what is finer than this hardly matters to a matching.
_FINEST = 0.02


class Plan(NamedTuple):
    """A soft matching: how much of each row goes to which column.

    ``mass = exp((row + column - cost) / temperature)``, 0 where a pair is not allowed.

    Attributes:
        mass: [..., b, k]; every row adds up to 1. Every column does too if b = k; of a wide
            problem it adds up to 1 at most.
        row: float64[..., b], the potentials of rows, in units of cost.
        column: float64[..., k], those of columns; of a wide problem 0 at most, and 0 where
            the column has mass left.
        temperature: float64[...], epsilon in units of cost.
        error: float64[...], how far the sum of any row is from 1 at most. Columns are exact.
        iterations: the most that any problem took.
        converged: whether ``error`` is within the tolerance, of all problems.
    """

    mass: Tensor
    row: Tensor
    column: Tensor
    temperature: Tensor
    error: Tensor
    iterations: int
    converged: bool


@register
class Sinkhorn(Solver):
    """Sinkhorn's algorithm (Cuturi, NeurIPS 2013) on logarithms, for all problems at once.

    The soft plan minimises cost minus ``epsilon`` times entropy. Epsilon starts large
    and falls in every iteration, which takes far fewer of them (Schmitzer 2019,
    "Stabilized sparse scaling algorithms for entropy regularized transport problems",
    section 3). A one-to-one matching comes from an auction that starts from the
    potentials as prices: it has little left to do. The ``gap`` that is reported
    is true, whether or not the iterations converged.
    """

    kind: Literal["sinkhorn"] = "sinkhorn"
    epsilon: float = Field(default=0.05, ge=1e-4)
    """Weight of the entropy, in units of the root mean square of the costs after rows and
    columns are centred: scaled or shifted costs have the same plan."""
    start: float = Field(default=1.0, gt=0)
    """Epsilon of the first iteration, in the same unit."""
    decay: float = Field(default=0.9, gt=0, lt=1)
    """What epsilon is multiplied by in each iteration, down to ``epsilon``."""
    iterations: int = Field(default=300, ge=1)
    """Iterations at most."""
    tolerance: float = Field(default=0.01, gt=0)
    """How far the sum of any row of the plan may be from 1."""

    @property
    def exact(self) -> bool:
        return False

    @torch.no_grad()
    def plan(self, cost: Tensor, allowed: Tensor | None = None) -> Plan:
        """The soft matching of every matrix of a stack.

        Args:
            cost: Tensor[..., b, k] with k >= b, finite wherever a pair is allowed; half
                precision is widened to float32.
            allowed: bool Tensor that broadcasts to the shape of ``cost``; by default all pairs.

        Raises:
            MatchingError: as :meth:`solve` does.
        """
        problem = Problem(cost, allowed)
        stack, b, k = problem.stack, problem.rows, problem.columns
        if cost.numel() == 0:
            row, column = (cost.new_zeros(*stack, n, dtype=torch.float64) for n in (b, k))
            nothing = cost.new_zeros(stack, dtype=torch.float64)
            return Plan(problem.cost.reshape(cost.shape), row, column, nothing, nothing, 0, True)
        even = even_out(problem.cost, problem.allowed)
        balanced = balance(even.cost, self._schedule())
        log_mass = balanced.row.unsqueeze(-1) + balanced.column.unsqueeze(-2) - even.cost
        row, column = _in_units_of_cost(even, balanced.row, balanced.column)
        return Plan(
            (log_mass / balanced.epsilon).exp().view(cost.shape),
            row.view(*stack, b),
            column.view(*stack, k),
            (balanced.epsilon * even.unit / even.scale).view(stack),
            balanced.error.view(stack),
            balanced.iterations,
            balanced.converged,
        )

    def _solve(self, problem: Problem) -> Solution:
        even = even_out(problem.cost, problem.allowed)
        balanced = balance(even.cost, self._schedule())
        epsilon = min(_FINEST, self.epsilon)
        solution = deal(problem, even, [epsilon], price=-balanced.column)
        return solution._replace(
            iterations=balanced.iterations,
            converged=balanced.converged and solution.converged,
        )

    def _schedule(self) -> Schedule:
        return Schedule(self.start, self.decay, self.epsilon, self.iterations, self.tolerance)


def _in_units_of_cost(even: Even, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    before = row.double() * even.unit[:, None] + even.row.double()
    return before / even.scale[:, None], -even.prices(-column)
