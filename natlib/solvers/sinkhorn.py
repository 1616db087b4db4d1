"""Entropic optimal transport: a soft plan, and a one-to-one matching computed from it.

Shapes: p problems, b rows, k columns.
"""

from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Condition, register
from natlib.solvers.base import Solution, Solver
from natlib.solvers.kernels.auction_from_prices import auction_from_prices
from natlib.solvers.kernels.normalise_costs import NormalisedCosts, normalise_costs
from natlib.solvers.kernels.scaling import Schedule, balance
from natlib.solvers.problem import Problem

__all__ = ["Plan", "Sinkhorn"]

# Epsilon of the auction that follows: a finer one hardly changes the matching.
_FINEST = 0.02


class Plan(NamedTuple):
    """A soft matching: how much mass of each row goes to each column.

    ``mass = exp((row + column - cost) / temperature)``, 0 where a pair is not allowed.

    Attributes:
        mass: [..., b, k]; every row sums to 1. Every column does too if b = k; in a wide
            problem it sums to at most 1.
        row: float64[..., b], dual potentials of rows, in units of cost.
        column: float64[..., k], those of columns; in a wide problem at most 0, and 0 where the
            column sums to less than 1.
        temperature: float64[...], epsilon in units of cost.
        error: float64[...], the largest distance of a row's sum from 1. Columns are exact.
        iterations: the most that any problem took.
        converged: whether ``error`` is within the tolerance for all problems.
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
    """Sinkhorn's algorithm (Cuturi, NeurIPS 2013) in the log domain, for all problems at once.

    The soft plan minimises cost minus ``epsilon`` times entropy. Epsilon starts large
    and falls in every iteration, which takes far fewer of them (Schmitzer 2019,
    "Stabilized sparse scaling algorithms for entropy regularized transport problems",
    section 3). A one-to-one matching comes from a short auction that starts from the
    potentials as prices. The reported ``gap`` is valid whether or not the iterations converged.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("decay",),
            on=("start", "epsilon"),
            holds=lambda start, epsilon: start > epsilon,
            remedy="set {start} above {epsilon}",
        ),
    )

    kind: Literal["sinkhorn"] = "sinkhorn"
    epsilon: float = Field(default=0.05, ge=1e-4)
    """Weight of the entropy, in units of the root mean square of the costs after rows and
    columns are centred: scaled or shifted costs have the same plan."""
    start: float = Field(default=1.0, gt=0)
    """Epsilon of the first iteration, in the same unit."""
    decay: float = Field(default=0.9, gt=0, lt=1)
    """Factor of epsilon from iteration to iteration, until it reaches ``epsilon``."""
    iterations: int = Field(default=300, ge=1)
    """Largest number of iterations."""
    tolerance: float = Field(default=0.01, gt=0)
    """How far the sum of any row of the plan may be from 1."""

    @property
    def exact(self) -> bool:
        return False

    @torch.no_grad()
    def plan(self, cost: Tensor, allowed: Tensor | None = None) -> Plan:
        """Compute the soft plan of every matrix of a stack.

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
        normalised = normalise_costs(problem.cost, problem.allowed)
        balanced = balance(normalised.cost, self._schedule())
        log_mass = balanced.row.unsqueeze(-1) + balanced.column.unsqueeze(-2) - normalised.cost
        row, column = _in_units_of_cost(normalised, balanced.row, balanced.column)
        return Plan(
            (log_mass / balanced.epsilon).exp().view(cost.shape),
            row.view(*stack, b),
            column.view(*stack, k),
            (balanced.epsilon * normalised.unit / normalised.scale).view(stack),
            balanced.error.view(stack),
            balanced.iterations,
            balanced.converged,
        )

    def _solve(self, problem: Problem) -> Solution:
        normalised = normalise_costs(problem.cost, problem.allowed)
        balanced = balance(normalised.cost, self._schedule())
        epsilon = min(_FINEST, self.epsilon)
        solution = auction_from_prices(problem, normalised, [epsilon], price=-balanced.column)
        return solution._replace(
            iterations=balanced.iterations,
            converged=balanced.converged and solution.converged,
        )

    def _schedule(self) -> Schedule:
        return Schedule(self.start, self.decay, self.epsilon, self.iterations, self.tolerance)


def _in_units_of_cost(
    normalised: NormalisedCosts, row: Tensor, column: Tensor
) -> tuple[Tensor, Tensor]:
    before = row.double() * normalised.unit[:, None] + normalised.row.double()
    return before / normalised.scale[:, None], -normalised.prices(-column)
