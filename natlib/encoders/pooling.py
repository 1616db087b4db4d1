"""What a stage returns, as one vector of bounded width for each sample."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pooled"]

_POOL: dict[int, Callable[[Tensor, Any], Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}


def pooled(output: Tensor, width: int) -> Tensor:
    """Tensor[b, w] with w <= ``width`` of the output of a stage.

    Maps are averaged over a grid, as fine as ``width`` allows and the same in every direction.
    What is still too wide is sketched: features are added up, with random signs that are always
    the same, in as many groups (count sketch; Weinberger et al., "Feature hashing for large
    scale multitask learning", ICML 2009), which keeps dot products in the mean.

    Args:
        output: Tensor[b, channels, *space].
        width: largest number of features.
    """
    space = tuple(output.shape[2:])
    values = output.float()
    if len(space) in _POOL:
        values = _POOL[len(space)](values, _grid(output.shape[1], space, width))
    values = values.flatten(1)
    return values if values.shape[1] <= width else _sketch(values, width)


def _grid(channels: int, space: tuple[int, ...], width: int) -> tuple[int, ...]:
    """The finest grid with at most ``width`` values; one cell where channels alone are more."""
    best = (1,) * len(space)
    for cells in range(2, max(space) + 1):
        grid = tuple(min(cells, side) for side in space)
        if channels * math.prod(grid) > width:
            break
        best = grid
    return best


def _sketch(values: Tensor, width: int) -> Tensor:
    own = torch.Generator().manual_seed(0)
    count = values.shape[1]
    group = torch.randint(width, (count,), generator=own).to(values.device)
    sign = (torch.randint(2, (count,), generator=own) * 2 - 1).to(values)
    return values.new_zeros(len(values), width).index_add_(1, group, values * sign)
