"""Sinkhorn's algorithm in the log domain.

Shapes: p problems, b rows, k columns.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Balanced", "Schedule", "balance"]

# Costs that are read at a time on a processor.
_CACHE = 2**17


class Schedule(NamedTuple):
    """How epsilon falls and when to stop.

    Attributes:
        start: epsilon of the first iteration.
        decay: factor from one iteration to the next.
        epsilon: where it ends.
        iterations: at most.
        tolerance: how far the sum of a row may be from 1.
    """

    start: float
    decay: float
    epsilon: float
    iterations: int
    tolerance: float


class Balanced(NamedTuple):
    """Potentials of an entropic transport problem.

    Attributes:
        row: [p, b].
        column: [p, k].
        epsilon: of the last iteration: the schedule's, unless iterations ran out.
        error: float64[p], the largest distance of the sum of a row from 1.
        iterations: the most that any problem took.
        converged: whether no error is beyond the tolerance.
    """

    row: Tensor
    column: Tensor
    epsilon: float
    error: Tensor
    iterations: int
    converged: bool


def balance(cost: Tensor, schedule: Schedule) -> Balanced:
    """Potentials with which every row of ``exp((row + column - cost) / epsilon)`` sums to 1.

    Columns sum to 1 if the problem is square; to 1 at most if it is wide, by potentials that
    are 0 at most (Chizat et al. 2018, "Scaling algorithms for unbalanced optimal transport
    problems", section 4).

    Args:
        cost: [p, b, k]; infinite where a pair is not allowed.
        schedule: how epsilon falls and when to stop.
    """
    square = cost.shape[1] == cost.shape[2]
    across = cost.mT.contiguous()  # sums over the last dimension are several times as fast
    epsilon = max(schedule.start, schedule.epsilon)
    row, column = torch.zeros_like(cost[:, :, 0]), torch.zeros_like(cost[:, 0])
    error = torch.full_like(cost[:, 0, 0], torch.inf)
    done = torch.zeros_like(error, dtype=torch.bool)
    taken = 0
    while True:
        # A problem that has converged stays as it is, whatever else is in the stack.
        keep = done[:, None]
        row = torch.where(keep, row, _soft_least(cost, column, epsilon))
        moved = _soft_least(across, row, epsilon)
        column = torch.where(keep, column, moved if square else moved.clamp_max(0))
        taken += 1
        last = epsilon == schedule.epsilon
        ends = taken == schedule.iterations
        if ends or (last and taken % _iterations_between_checks(cost.device) == 0):
            sums = ((row - _soft_least(cost, column, epsilon)) / epsilon).expm1().abs().amax(1)
            error = torch.where(done, error, sums)
            done |= last & (error <= schedule.tolerance)
            if ends or bool(done.all()):
                return Balanced(row, column, epsilon, error.double(), taken, bool(done.all()))
        epsilon = max(epsilon * schedule.decay, schedule.epsilon)


def _soft_least(cost: Tensor, potential: Tensor, epsilon: float) -> Tensor:
    """``-epsilon log sum_j exp((potential_j - cost_ij) / epsilon)``, [p, b]."""
    rows = cost.shape[1]
    if cost.device.type == "cpu":
        # So few rows at a time that they fit into a processor's cache.
        rows = max(1, _CACHE * rows // cost.numel())
    parts = []
    for part in cost.split(rows, dim=1):
        exponent = (potential.unsqueeze(1) - part).mul_(1 / epsilon)
        largest = exponent.amax(-1, keepdim=True)
        total = exponent.sub_(largest).exp_().sum(-1)
        # Where nothing is allowed the largest is minus infinity, and the total NaN.
        value = total.log_() + largest.squeeze(-1)
        parts.append(torch.where(largest.squeeze(-1) == -torch.inf, -torch.inf, value))
    return torch.cat(parts, 1).mul_(-epsilon)


def _iterations_between_checks(device: torch.device) -> int:
    """Iterations between two checks of the error: a check costs half an iteration, and synchronises
    an accelerator.
    """
    return 5 if device.type == "cpu" else 10
