"""The loss of points that know nothing of each other."""

import torch
from torch import Tensor

from natlib.objectives import NAT

__all__ = ["random_target_loss"]

# Slots far above any that training uses; see natlib.objectives.health.
_SLOT = 2**61
_POINTS = 512


def random_target_loss(objective: NAT, batch: int) -> float:
    """``loss_target`` of random views that have nothing in common, optimally matched.

    It is lower than without a matching, since that finds each point a target that it is close to
    already. What a run has learnt begins below.

    Args:
        objective: says what is matched with what.
        batch: samples that are matched together, without those of the pool.
    """
    draws = max(1, _POINTS // batch)
    losses = [float(_once(objective, batch, draw)) for draw in range(draws)]
    return sum(losses) / draws


def _once(objective: NAT, batch: int, draw: int) -> Tensor:
    targets, slots = objective.targets, objective.slots
    count = batch + objective.pool
    # Each draw has slots of its own.
    first = _SLOT + draw * (objective.views + slots) * count
    slot_VK = first + torch.arange(objective.views * count).view(objective.views, count)
    views_VKD = targets.rows(slot_VK)
    anchor_KD = views_VKD[0] if objective.anchor == "first" else targets.project(views_VKD.mean(0))
    if objective.semidiscrete is not None:
        noise = targets.rows(_SLOT - 1 - torch.arange(objective.semidiscrete.points))
        centroid_BD = objective.semidiscrete.cells(anchor_KD[:batch], noise).centroid
    else:
        slot_MK = first + slot_VK.numel() + torch.arange(slots * count).view(slots, count)
        rows_MKD = targets.rows(slot_MK)
        columns_MB = objective.solver.match(anchor_KD, rows_MKD).columns[:, :batch]
        chosen = columns_MB.unsqueeze(-1).expand(-1, -1, rows_MKD.shape[-1])
        centroid_BD = rows_MKD.gather(1, chosen).mean(0)
    return (views_VKD[:, :batch] - objective.aim(centroid_BD)).square().sum(-1).mean()
