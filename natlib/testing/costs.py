"""Cost matrices of many kinds, and the cost of the best matching of each."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

__all__ = ["SHAPES", "costs_of", "lowest_cost"]

SHAPES = ((1, 1), (1, 4), (2, 2), (13, 13), (9, 11), (12, 48), (40, 40))
"""Rows and columns: square, wide, and the smallest."""

_DIM = 16


def _points(g: torch.Generator, count: int) -> Tensor:
    drawn = torch.randn(count, _DIM, generator=g, dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def _matched(g: torch.Generator, b: int, k: int) -> Tensor:
    return -_points(g, b) @ _points(g, k).T


def _normal(g: torch.Generator, b: int, k: int) -> Tensor:
    return torch.randn(b, k, generator=g, dtype=torch.float64)


def _ties(g: torch.Generator, b: int, k: int) -> Tensor:
    return torch.randint(0, 4, (b, k), generator=g).double()


def _constant(g: torch.Generator, b: int, k: int) -> Tensor:
    return torch.full((b, k), 0.37, dtype=torch.float64)


def _collapsed(g: torch.Generator, b: int, k: int) -> Tensor:
    """Features that have nearly collapsed to a point, as when training fails."""
    z = 1 + 1e-4 * torch.randn(b, _DIM, generator=g, dtype=torch.float64)
    return -torch.nn.functional.normalize(z, dim=1) @ _points(g, k).T


def _line(g: torch.Generator, b: int, k: int) -> Tensor:
    x, y = (torch.rand(n, generator=g, dtype=torch.float64).sort().values for n in (b, k))
    return (x[:, None] - y).square()


def _penalised(g: torch.Generator, b: int, k: int) -> Tensor:
    """Penalties on two pairs of five; float16 holds no larger ones. A matching has none."""
    cost = torch.rand(b, k, generator=g, dtype=torch.float64)
    dear = torch.rand(b, k, generator=g, dtype=torch.float64) < 0.4
    dear[torch.arange(b), torch.randperm(k, generator=g)[:b]] = False
    return cost + 6e4 * dear


_FAMILIES: tuple[Callable[[torch.Generator, int, int], Tensor], ...] = (
    _matched,
    _normal,
    _ties,
    _constant,
    _collapsed,
    _line,
    _penalised,
)


def costs_of(b: int, k: int, seed: int = 0) -> Tensor:
    """float64[p, b, k], one problem of every family; the second has no ties."""
    return torch.stack([f(torch.Generator().manual_seed(seed), b, k) for f in _FAMILIES])


def lowest_cost(cost: Tensor, allowed: Tensor | None = None) -> float:
    """The cost of the best matching of a matrix [b, k], by SciPy."""
    matrix = cost.double()
    if allowed is not None:
        matrix = matrix.masked_fill(~allowed, torch.inf)
    array = matrix.numpy()
    rows, columns = linear_sum_assignment(array)
    return float(np.sum(array[rows, columns]))
