"""What no matching can cost less than."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["lower_bound"]

# Entries of a cost matrix that are looked at together.
_CACHE, _MEMORY = 2**17, 2**26


def lower_bound(cost: Tensor, price: Tensor | None, allowed: Tensor | None = None) -> Tensor:
    """A bound from linear programming duality: true for any prices, tight for the best ones.

    With the price ``p_j`` on column j, a matching costs what its pairs cost with the prices on
    top, which is at least ``sum_i min_j (c_ij + p_j)``, less the prices of its columns, which
    are at most the b largest ones.

    Args:
        cost: Tensor[..., b, k], finite.
        price: Tensor[..., k]; None for minus the column minima after row minima are off.
        allowed: bool[..., b, k], the pairs that may be matched; None for all.

    Returns:
        float64[...].
    """
    if price is None:
        least = torch.stack([_over_row(part) for part in _parts(cost, allowed)]).amin(0)
        price = -torch.where(torch.isfinite(least), least, 0.0)
    price = price.double()
    cheapest = [(part + price.unsqueeze(-2)).amin(-1) for part in _parts(cost, allowed)]
    return torch.cat(cheapest, -1).sum(-1) - price.topk(cost.shape[-2], dim=-1).values.sum(-1)


def _parts(cost: Tensor, allowed: Tensor | None) -> Iterator[Tensor]:
    """Some rows at a time, float64 and infinite where a pair is not allowed: on a processor so
    few that its cache holds them.
    """
    entries = _CACHE if cost.device.type == "cpu" else _MEMORY
    rows = max(1, entries * cost.shape[-2] // max(1, cost.numel()))
    for start in range(0, cost.shape[-2], rows):
        part = cost[..., start : start + rows, :].double()
        if allowed is not None:
            part = torch.where(allowed[..., start : start + rows, :], part, torch.inf)
        yield part


def _over_row(part: Tensor) -> Tensor:
    """The least of each column after row minima are off."""
    return (part - part.amin(-1, keepdim=True)).amin(-2)
