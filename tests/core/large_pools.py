"""Points of many kinds, and a watch on how many costs a solver looks at."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.solvers.kernels import block_problem

__all__ = ["KINDS", "check_one_to_one", "points", "watched"]

KINDS = ["random", "clustered", "collapsed"]


def points(kind: str, b: int, k: int, dim: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features float32[b, d] of a kind, and candidates [k, d] all over the sphere."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(b, dim, generator=generator)
    if kind == "clustered":
        z = 0.3 * z + torch.randn(10, dim, generator=generator)[torch.arange(b) % 10]
    if kind == "collapsed":
        z = 1e-2 * z + 1
    c = torch.randn(k, dim, generator=generator)
    return F.normalize(z, dim=-1), F.normalize(c, dim=-1)


def check_one_to_one(columns: Tensor, b: int, k: int) -> None:
    assert columns.shape[-1] == b
    assert (columns.sort(-1).values.diff(dim=-1) > 0).all()
    assert 0 <= int(columns.min()) <= int(columns.max()) < k


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of all cost matrices that are made from points, as they come."""
    sizes: list[tuple[int, ...]] = []
    made = block_problem.pairwise_cost

    def watch(z: Tensor, c: Tensor) -> Tensor:
        cost = made(z, c)
        sizes.append(tuple(cost.shape[-2:]))
        return cost

    monkeypatch.setattr(block_problem, "pairwise_cost", watch)
    # Nobody else makes any.
    monkeypatch.setattr("natlib.solvers.base.pairwise_cost", watch)
    return sizes
