"""Label-free measures of whether training works."""

from typing import Any

import torch
from torch import Tensor

from natlib.assignment import AssignmentModule
from natlib.objectives.distances import mean_cosine

__all__ = ["effective_rank", "embedding_health", "random_cosine"]

# Slots far above any that training uses.
_RANDOM_SLOT = 2**61
_DRAWS = 2


def effective_rank(z: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values (Roy & Vetterli 2007).

    Args:
        z: Tensor[b, d]; its mean is removed first.

    Returns:
        Scalar between 1 and min(b, d).
    """
    z = z.float()
    values = torch.linalg.svdvals(z - z.mean(0))
    # Points that differ by rounding alone would fill all directions evenly; they are one point.
    rounding = torch.finfo(z.dtype).eps * torch.linalg.vector_norm(z)
    share = torch.where(values > rounding, values, 0.0)
    share = share / share.sum().clamp_min(torch.finfo(z.dtype).tiny)
    return torch.exp(torch.special.entr(share).sum())


@torch.no_grad()
def embedding_health(z: Tensor) -> dict[str, Tensor]:
    """How well embeddings Tensor[b, d] fill their space.

    ``embedding_std``: mean standard deviation of a coordinate, times sqrt(d): 1 for points
    spread evenly over the unit sphere, 0 for a collapse onto one point.
    ``effective_rank``: see :func:`effective_rank`.
    """
    spread = z.std(0, correction=0).mean() * z.shape[1] ** 0.5
    return {"embedding_std": spread, "effective_rank": effective_rank(z)}


@torch.no_grad()
def random_cosine(
    assignment: AssignmentModule[Any], batch: int, device: torch.device | None = None
) -> Tensor:
    """Mean cosine of *random* points with the targets assigned to them: the baseline to read by.

    An assignment gives each random point a target that is close to it. With fresh targets, the
    matched cosine approaches this baseline as embeddings spread and does not exceed it; with a
    bank it exceeds the baseline once the encoder has learnt the targets of its samples.

    Args:
        assignment: decides which targets points aim at.
        batch: b, the points that are assigned targets together; the mean is over two batches.
        device: where to compute.
    """
    found = []
    for draw in range(_DRAWS):
        slots = _RANDOM_SLOT + draw * batch + torch.arange(batch, device=device)
        points = assignment.targets.distribution.rows(slots)
        found.append(mean_cosine(points, assignment.preview(points, draw).targets))
    return torch.stack(found).mean()
