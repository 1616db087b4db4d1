"""Random operations on a batch of log-mel spectrograms, independent for each clip.

Shapes: b clips, m bands, t frames.
"""

import torch
from torch import Tensor

__all__ = ["interpolate_bands", "random_spans"]


def interpolate_bands(spectra: Tensor, place: Tensor) -> Tensor:
    """Spectra float32[b, m, t] whose band i is interpolated at ``place[:, i]``, float32[b, m]."""
    count = spectra.shape[2]
    below = place.floor().long().clamp(max=spectra.shape[1] - 1)
    above = (below + 1).clamp(max=spectra.shape[1] - 1)
    share = (place - below)[:, :, None]
    low = spectra.gather(1, below[:, :, None].expand(-1, -1, count))
    high = spectra.gather(1, above[:, :, None].expand(-1, -1, count))
    return torch.lerp(low, high, share)


def random_spans(length: Tensor, total: int, widest: float, draw: Tensor) -> Tensor:
    """bool[b, total]: spans of random width and place, for masks.

    Args:
        length: float32[b, 2], start and length of the part that may be masked.
        total: number of positions.
        widest: width of the widest span, as a share of that length.
        draw: float32[2, k, b], random numbers for k spans.
    """
    begin, whole = length.unbind(1)
    width_KB = whole * widest * draw[0]
    start_KB = begin + (whole - width_KB) * draw[1]
    place = torch.arange(total, device=draw.device) + 0.5
    inside = (place >= start_KB[..., None]) & (place < (start_KB + width_KB)[..., None])
    return inside.any(0)
