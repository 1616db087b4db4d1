"""How much of their variance features put into each direction."""

import torch
from torch import Tensor

__all__ = ["effective_count", "variance_shares"]


def variance_shares(features: Tensor) -> Tensor:
    """Shares of the variance along the principal directions, the largest first.

    Args:
        features: Tensor[u, f].

    Returns:
        float64[min(u, f)]; they add up to 1, or are all 0 where features do not differ.
    """
    centred = features.double() - features.double().mean(0)
    wide = centred.shape[1] > centred.shape[0]
    gram = centred @ centred.T if wide else centred.T @ centred
    values = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
    # Features that differ by rounding alone do not differ.
    rounding = torch.finfo(torch.float32).eps ** 2 * features.double().square().sum()
    values = torch.where(values > rounding, values, 0.0)
    return values / values.sum().clamp_min(torch.finfo(torch.float64).tiny)


def effective_count(shares: Tensor) -> float:
    """Exponential of the entropy of shares: in how many directions the variance lies."""
    return float(torch.special.entr(shares).sum().exp())
