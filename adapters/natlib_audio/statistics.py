"""Statistics of log-mel spectra over time: the raw-input baseline."""

import torch
from torch import Tensor

__all__ = ["spectral_statistics"]


def spectral_statistics(spectra: Tensor, valid: Tensor) -> Tensor:
    """Mean and deviation of each band over time, and the deviation of its change.

    Args:
        spectra: float32[b, m, t].
        valid: bool[b, t], the frames that are not padding.

    Returns:
        float32[b, 3 * m].
    """
    weight = valid[:, None, :].to(spectra.dtype)
    mean, deviation = _moments(spectra, weight)
    change = spectra[:, :, 1:] - spectra[:, :, :-1]
    _, change_deviation = _moments(change, weight[:, :, 1:] * weight[:, :, :-1])
    return torch.cat([mean, deviation, change_deviation], dim=1)


def _moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    total = weight.sum(2).clamp(min=1)
    mean = (values * weight).sum(2) / total
    variance = ((values - mean[:, :, None]).square() * weight).sum(2) / total
    return mean, variance.sqrt()
