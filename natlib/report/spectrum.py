"""How the variance of features is distributed over directions."""

import torch
from torch import Tensor

__all__ = ["variance_shares"]


def variance_shares(features: Tensor) -> Tensor:
    """Shares of the variance along the principal directions, the largest first.

    Args:
        features: Tensor[u, f].

    Returns:
        float64[min(u, f)]; they add up to 1, or are all 0 if features do not differ.
    """
    centred = features.double() - features.double().mean(0)
    more_features = centred.shape[1] > centred.shape[0]
    gram = centred @ centred.T if more_features else centred.T @ centred
    values = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
    # Differences due to rounding do not count.
    rounding = torch.finfo(torch.float32).eps ** 2 * features.double().square().sum()
    values = torch.where(values > rounding, values, 0.0)
    return values / values.sum().clamp_min(torch.finfo(torch.float64).tiny)
