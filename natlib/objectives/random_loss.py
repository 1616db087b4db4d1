"""The loss of random points: the baseline of ``loss_target``."""

import torch
from torch import Tensor

from natlib.assignment import AssignmentModule
from natlib.objectives.nat import NAT

__all__ = ["random_target_loss"]

# Slots far above any that training uses; see natlib.objectives.health.
_SLOT = 2**61
_POINTS = 2048


def random_target_loss(objective: NAT, batch: int) -> float:
    """``loss_target`` of independent random views that are assigned targets as in training.

    The assignment alone lowers it, since it finds targets close to the points. A run that has
    learnt something has a lower loss.

    Args:
        objective: the run's objective.
        batch: samples that are matched together.
    """
    assignment = objective.assignment.build(objective.targets.build(), samples=batch)
    draws = max(1, _POINTS // batch)
    losses = [float(_once(objective, assignment, batch, draw)) for draw in range(draws)]
    return sum(losses) / draws


@torch.no_grad()
def _once(objective: NAT, assignment: AssignmentModule[object], batch: int, draw: int) -> Tensor:
    # Each draw uses other slots.
    slots = _SLOT + draw * objective.views * batch + torch.arange(objective.views * batch)
    views_VBD = objective.targets.rows(slots).view(objective.views, batch, -1)
    assigned = assignment.preview(objective.matched_on(views_VBD), draw)
    return (views_VBD - objective.aim(assigned.targets)).square().sum(-1).mean()
