"""What no matching can cost less than."""

import torch
from torch import Tensor

__all__ = ["lower_bound"]


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
    cost = cost.double()
    if allowed is not None:
        cost = torch.where(allowed, cost, torch.inf)
    if price is None:
        least = (cost - cost.amin(-1, keepdim=True)).amin(-2)
        price = -torch.where(torch.isfinite(least), least, 0.0)
    price = price.double()
    cheapest = (cost + price.unsqueeze(-2)).amin(-1).sum(-1)
    return cheapest - price.topk(cost.shape[-2], dim=-1).values.sum(-1)
