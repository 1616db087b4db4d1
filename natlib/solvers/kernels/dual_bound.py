"""A lower bound on the cost of any matching, by duality."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["lower_bound"]

# Costs that are read at a time, on a processor and on an accelerator.
_CACHE, _MEMORY = 2**17, 2**26


def lower_bound(cost: Tensor, price: Tensor | None, allowed: Tensor | None = None) -> Tensor:
    """A bound from linear programming duality: valid for any prices, tight for optimal ones.

    With the price ``p_j`` on column j, the cost of a matching is the sum of its costs plus prices,
    at least ``sum_i min_j (c_ij + p_j)``, minus the prices of its columns, at most the sum of the
    b largest ones.

    Args:
        cost: Tensor[..., b, k], finite.
        price: Tensor[..., k]; None for minus the column minima of costs less row minima.
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
    """Some rows at a time, float64 and infinite where a pair is not allowed; on a processor so
    few that they fit into its cache.
    """
    entries = _CACHE if cost.device.type == "cpu" else _MEMORY
    rows = max(1, entries * cost.shape[-2] // max(1, cost.numel()))
    for start in range(0, cost.shape[-2], rows):
        part = cost[..., start : start + rows, :].double()
        if allowed is not None:
            part = torch.where(allowed[..., start : start + rows, :], part, torch.inf)
        yield part


def _over_row(part: Tensor) -> Tensor:
    """The minimum of each column after row minima are subtracted."""
    return (part - part.amin(-1, keepdim=True)).amin(-2)
