"""Label-free measures of whether training works."""

from typing import Any

import torch
from torch import Tensor

from natlib.assignment import AssignmentModule
from natlib.objectives.distances import mean_cosine

__all__ = [
    "effective_rank",
    "embedding_health",
    "lowest_healthy_rank",
    "random_cosine",
]

# Slots far above any that training uses.
_RANDOM_SLOT = 2**61
_DRAWS = 2

# Times the square root of d. The lowest effective ranks of healthy runs were 12.6 of 32 (32 updates
# on sound), 6.4 of 8 and 19.6 of 512; the limits there are 3.4, 1.7 and 13.6.
_HEALTHY = 0.6


def effective_rank(z: Tensor) -> Tensor:
    """How many directions embeddings use: natlib's one definition of the effective rank.

    The exponential of the entropy of the singular values, divided by their sum (Roy & Vetterli
    2007, "The effective rank: a measure of effective dimensionality", definition 1), after the mean
    of the embeddings is removed. Singular values, and not variances, which are their squares: the
    entropy of variances gives lower numbers, by a factor of several on features with a few strong
    directions. At most min(b - 1, d), and lower in a small batch than over many samples.

    Args:
        z: Tensor[b, d].

    Returns:
        Scalar between 1 and min(b, d).
    """
    z = z.float()
    values = torch.linalg.svdvals(z - z.mean(0))
    # Points that differ by rounding alone would fill all directions evenly; they are one point.
    rounding = torch.finfo(z.dtype).eps * torch.linalg.vector_norm(z)
    values = torch.where(values > rounding, values, 0.0)
    share = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    return torch.exp(torch.special.entr(share).sum())


def lowest_healthy_rank(dimensions: int, samples: int) -> float:
    """The effective rank below which embeddings have collapsed to few directions.

    Args:
        dimensions: d of the embeddings.
        samples: the number of samples that the rank is measured on.
    """
    most = min(dimensions, samples - 1)
    return float(_HEALTHY * max(most, 1) ** 0.5)


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
