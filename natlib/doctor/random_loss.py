"""The loss of points that know nothing of each other."""

import torch
from torch import Tensor

from natlib.assignment import AssignmentModule
from natlib.objectives import NAT

__all__ = ["random_target_loss"]

# Slots far above any that training uses; see natlib.objectives.health.
_SLOT = 2**61
_POINTS = 2048


def random_target_loss(objective: NAT, batch: int) -> float:
    """``loss_target`` of random views that have nothing in common, optimally matched.

    It is lower than without a matching, since that finds each point a target that it is close to
    already. What a run has learnt begins below.

    Args:
        objective: says what is matched with what.
        batch: samples that are matched together.
    """
    assignment = objective.assignment.build(objective.targets.build(), samples=batch)
    draws = max(1, _POINTS // batch)
    losses = [float(_once(objective, assignment, batch, draw)) for draw in range(draws)]
    return sum(losses) / draws


@torch.no_grad()
def _once(objective: NAT, assignment: AssignmentModule[object], batch: int, draw: int) -> Tensor:
    # Each draw has slots of its own.
    slots = _SLOT + draw * objective.views * batch + torch.arange(objective.views * batch)
    views_VBD = objective.targets.rows(slots).view(objective.views, batch, -1)
    assigned = assignment.preview(objective.matched_on(views_VBD), draw)
    return (views_VBD - objective.aim(assigned.targets)).square().sum(-1).mean()
