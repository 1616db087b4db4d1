"""Label-free measures of whether training works."""

from functools import lru_cache

import torch
from torch import Tensor

from natlib.assignment.cells import SemiDiscrete
from natlib.solvers import Solver
from natlib.targets import TargetDistribution

__all__ = ["effective_rank", "embedding_health", "random_cell_line", "random_matching_line"]

# Slots far above any that training uses, so that the line is not drawn from its targets.
_LINE_SLOT = 2**61


def effective_rank(z: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values (Roy & Vetterli 2007).

    Args:
        z: Tensor[b, d]; its mean is removed first.

    Returns:
        Scalar between 1 and min(b, d).
    """
    z = z.float()
    values = torch.linalg.svdvals(z - z.mean(0))
    # Points that differ by rounding alone fill every direction alike: they are one point.
    rounding = torch.finfo(z.dtype).eps * torch.linalg.vector_norm(z)
    share = torch.where(values > rounding, values, 0.0)
    share = share / share.sum().clamp_min(torch.finfo(z.dtype).tiny)
    return torch.exp(torch.special.entr(share).sum())


@torch.no_grad()
def embedding_health(z: Tensor) -> dict[str, Tensor]:
    """How much of the space the embeddings Tensor[b, d] fill.

    ``embedding_std``: mean standard deviation of a coordinate, times sqrt(d): 1 for
    points spread evenly over the unit sphere, 0 for a collapse onto one point.
    ``effective_rank``: see :func:`effective_rank`.
    """
    spread = z.std(0, correction=0).mean() * z.shape[1] ** 0.5
    return {"embedding_std": spread, "effective_rank": effective_rank(z)}


@lru_cache(maxsize=64)
def random_matching_line(targets: TargetDistribution, solver: Solver, batch: int) -> Tensor:
    """Mean matched cosine of *random* features under the solver: the line to read by.

    A matching finds each random point a target that it is close to already. With fresh
    targets a matched cosine comes near this line as embeddings spread, and no higher; with a
    bank it passes the line once the encoder has learnt where its samples belong.

    Args:
        targets: the distribution that both the points and the targets come from.
        solver: what matches them.
        batch: b, the points and targets in a matching; the mean is over four draws.
    """
    slot = _LINE_SLOT + torch.arange(8 * batch).view(2, 4, batch)
    points, candidates = targets.rows(slot)
    columns = solver.match(points, candidates).columns
    matched = candidates.gather(1, columns.unsqueeze(-1).expand_as(candidates))
    return torch.cosine_similarity(points, matched, dim=-1).mean()


@lru_cache(maxsize=64)
def random_cell_line(targets: TargetDistribution, cells: SemiDiscrete, batch: int) -> Tensor:
    """Mean cosine of *random* features with the centroids of their cells; see
    :func:`random_matching_line`.

    Args:
        targets: the distribution that both the points and the targets come from.
        cells: how the centroids are found.
        batch: b, the points.
    """
    slot = _LINE_SLOT + torch.arange(batch + cells.points)
    points, noise = targets.rows(slot).split([batch, cells.points])
    return torch.cosine_similarity(points, cells.cells(points, noise).centroid, dim=-1).mean()
