"""Pooling over the frames of a clip that are not padding."""

import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.errors import ConfigError

__all__ = ["check_spectrogram", "downsample_mask", "mean_and_peak", "mean_over_time", "nonpadding"]


def check_spectrogram(input_shape: tuple[int, ...], kind: str) -> None:
    """Refuse inputs that are not spectrograms.

    Raises:
        ConfigError: the shape is not [channels, bands, frames].
    """
    if len(input_shape) != 3:
        raise ConfigError(
            f"an {kind} needs inputs [channels, bands, frames], got {list(input_shape)}; "
            "set data.representation=log_mel"
        )


def nonpadding(inputs: Tensor) -> Tensor:
    """bool[b, t], the frames of spectra float32[b, c, m, t] that are not padding.

    Padding and time masks are exactly 0 in every band. If nothing else is left of a clip, all its
    frames are returned.
    """
    found = (inputs != 0).flatten(1, 2).any(1)
    return found | ~found.any(1, keepdim=True)


def downsample_mask(valid: Tensor, count: int) -> Tensor:
    """bool[b, count]: which of fewer frames cover a valid frame of bool[b, t]."""
    if valid.shape[1] == count:
        return valid
    return F.adaptive_max_pool1d(valid.float(), count) > 0


def mean_over_time(values: Tensor, valid: Tensor) -> Tensor:
    """Tensor[b, c], the mean of Tensor[b, c, t] over the valid frames, bool[b, t]."""
    weight = valid[:, None, :].to(values.dtype)
    return (values * weight).sum(2) / weight.sum(2).clamp(min=1)


def mean_and_peak(values: Tensor, valid: Tensor) -> Tensor:
    """Tensor[b, 2 * c], mean and maximum of Tensor[b, c, t] over the valid frames."""
    peak = values.masked_fill(~valid[:, None, :], -torch.inf).amax(2)
    return torch.cat([mean_over_time(values, valid), peak], dim=1)
