"""Centre and scale a stack of cost matrices, on their own device.

Shapes: p problems, b rows, k columns.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NormalisedCosts", "normalise_costs"]

# Costs beyond these are scaled first: sums of larger ones overflow and squares of
# smaller ones vanish. By powers of two, which rounds nothing.
_LARGE, _SMALL = 1e15, 1e-15

# Differences of so many roundings of the largest cost are not made larger, so that a
# constant matrix stays one.
_ROUNDING = 32


class NormalisedCosts(NamedTuple):
    """A stack of matching problems, scaled so that a typical difference of costs is 1.

    Attributes:
        cost: [p, b, k]; infinite where a pair is not allowed.
        unit: float64[p], the original cost that became 1, times ``scale``.
        row: [p, b], what was subtracted from every row, times ``scale``.
        shift: [p, k], what was subtracted from every column, times ``scale``.
        scale: float64[p], powers of two that the costs were multiplied by first.
    """

    cost: Tensor
    unit: Tensor
    row: Tensor
    shift: Tensor
    scale: Tensor

    def prices(self, price: Tensor) -> Tensor:
        """Prices float64[p, k] for the original costs from those [p, k] for the normalised ones."""
        before = price.double() * self.unit[:, None] - self.shift.double()
        return before / self.scale[:, None]


def normalise_costs(cost: Tensor, allowed: Tensor | None = None) -> NormalisedCosts:
    """Centre costs and divide them by their root mean square.

    Row constants change no matching, nor do column constants if every column is taken, nor does a
    positive factor.

    Args:
        cost: float32 or float64 Tensor[p, b, k], finite, k >= b >= 1; not modified.
        allowed: bool[p, b, k], the pairs that count; None for all.
    """
    cost, peak, scale = _of_ordinary_size(cost)
    weight = None if allowed is None else allowed.to(cost.dtype)
    row = _mean(cost, weight, -1)
    normalised = cost - row
    if weight is not None:
        normalised *= weight
    shift = torch.zeros_like(normalised[:, :1])
    if normalised.shape[1] == normalised.shape[2]:
        shift = _mean(normalised, weight, 1)
        normalised -= shift
        if weight is not None:
            normalised *= weight
    # Row by row first, so that the result does not depend on how the work is split among threads.
    square = torch.linalg.vector_norm(normalised, dim=-1).square()
    count = normalised.shape[2] if weight is None else weight.sum(-1).mean(-1)
    unit = (square.mean(-1) / count).sqrt()
    info = torch.finfo(cost.dtype)
    unit = torch.maximum(unit, _ROUNDING * info.eps * peak)
    normalised /= unit.clamp_min(info.tiny)[:, None, None]
    if allowed is not None:
        normalised.masked_fill_(~allowed, torch.inf)
    return NormalisedCosts(normalised, unit.double(), row.squeeze(-1), shift.squeeze(1), scale)


def _mean(values: Tensor, weight: Tensor | None, dim: int) -> Tensor:
    if weight is None:
        return values.mean(dim, keepdim=True)
    return values.sum(dim, keepdim=True) / weight.sum(dim, keepdim=True).clamp_min(1)


def _of_ordinary_size(cost: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Costs, their largest size [p], and the powers of two float64[p] that they were scaled by."""
    low, high = cost.flatten(1).aminmax(dim=1)
    peak = torch.maximum(high, -low).double()
    extreme = (peak > 0) & ((peak < _SMALL) | (peak > _LARGE))
    exponent = torch.where(extreme, -torch.frexp(peak).exponent, 0)
    if extreme.any():
        # In two steps, since 2^149 is no float32.
        half = exponent // 2
        for part in (half, exponent - half):
            cost = cost * torch.exp2(part.double()).to(cost.dtype)[:, None, None]
    scale = torch.exp2(exponent.clamp(-1022, 1022).double())
    return cost, (peak * scale).to(cost.dtype), scale
