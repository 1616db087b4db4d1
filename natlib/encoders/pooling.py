"""Pool the output of a stage to one vector of bounded width for each sample."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pool_stage"]

_POOL: dict[int, Callable[[Tensor, Any], Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}


def pool_stage(output: Tensor, width: int) -> Tensor:
    """The output of a stage as Tensor[b, w] with w <= ``width``.

    Feature maps are averaged over the cells of a grid, as fine as ``width`` allows and with the
    same number of cells in every direction. If more than ``width`` values remain, they are summed
    in ``width`` groups, with fixed random signs (count sketch; Weinberger et al., "Feature hashing
    for large scale multitask learning", ICML 2009), which preserves dot products in expectation.

    Args:
        output: Tensor[b, channels, *space].
        width: maximum number of values per sample.
    """
    space = tuple(output.shape[2:])
    values = output.float()
    if len(space) in _POOL:
        values = _POOL[len(space)](values, _grid(output.shape[1], space, width))
    values = values.flatten(1)
    return values if values.shape[1] <= width else _sketch(values, width)


def _grid(channels: int, space: tuple[int, ...], width: int) -> tuple[int, ...]:
    """The finest grid with at most ``width`` values; a single cell if channels alone exceed it."""
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
