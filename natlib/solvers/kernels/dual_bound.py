"""How far a matching may be from the cheapest one, by duality."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["proven_gap"]

# Costs that are read at a time, on a processor and on an accelerator.
_CACHE, _MEMORY = 2**17, 2**26


def proven_gap(
    cost: Tensor, columns: Tensor, price: Tensor | None, allowed: Tensor | None = None
) -> Tensor:
    """How much more a matching costs than the cheapest one, at most.

    Linear programming duality: at the prices ``p_j`` no row can pay less than
    ``min_j (c_ij + p_j)``, and the prices of b columns add up to the b largest ones at most. Valid
    for any prices, tight for optimal ones. Each row's loss is a difference of its own numbers, so
    that a penalty that no row pays takes no digits from it.

    Args:
        cost: Tensor[p, b, k], finite.
        columns: int64[p, b], the matching.
        price: Tensor[p, k]; None for minus the column minima of costs less row minima.
        allowed: bool[p, b, k], the pairs that may be matched; None for all.

    Returns:
        float64[p], rounding included; infinite where nothing is known.
    """
    if price is None:
        least = torch.stack([_over_row(part) for part in _parts(cost, allowed)]).amin(0)
        price = -torch.where(torch.isfinite(least), least, 0.0)
    price = price.double()
    cheapest = torch.cat(
        [(part + price.unsqueeze(-2)).amin(-1) for part in _parts(cost, allowed)], -1
    )
    paid = price.gather(-1, columns)
    own = cost.gather(-1, columns.unsqueeze(-1)).squeeze(-1).double() + paid
    gap, size = (own - cheapest).sum(-1), own.abs().sum(-1) + cheapest.abs().sum(-1)
    if cost.shape[-2] < cost.shape[-1]:
        most = price.topk(cost.shape[-2], dim=-1).values.sum(-1)
        gap, size = gap + (most - paid.sum(-1)), size + paid.abs().sum(-1) + most.abs()
    rounding = torch.finfo(torch.float64).eps * size
    return (gap.clamp_min(0) + rounding).nan_to_num(torch.inf)


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
