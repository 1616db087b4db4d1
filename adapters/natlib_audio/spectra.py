"""Operations on a batch of log-mel spectrograms, with other random numbers for each.

Shapes: b clips, m bands, t frames.
"""

import torch
from torch import Tensor

__all__ = ["masked", "moved_bands"]


def moved_bands(spectra: Tensor, place: Tensor) -> Tensor:
    """Spectra float32[b, m, t] whose band i is what was at ``place[:, i]``, float32[b, m]."""
    count = spectra.shape[2]
    below = place.floor().long().clamp(max=spectra.shape[1] - 1)
    above = (below + 1).clamp(max=spectra.shape[1] - 1)
    share = (place - below)[:, :, None]
    low = spectra.gather(1, below[:, :, None].expand(-1, -1, count))
    high = spectra.gather(1, above[:, :, None].expand(-1, -1, count))
    return torch.lerp(low, high, share)


def masked(length: Tensor, total: int, widest: float, draw: Tensor) -> Tensor:
    """bool[b, total]: stretches of random width and place.

    Args:
        length: float32[b, 2], where what may be masked begins, and how long it is.
        total: how many positions there are.
        widest: the widest stretch, as a share of that length.
        draw: float32[2, k, b], random numbers for k stretches.
    """
    begin, whole = length.unbind(1)
    width_KB = whole * widest * draw[0]
    start_KB = begin + (whole - width_KB) * draw[1]
    place = torch.arange(total, device=draw.device) + 0.5
    inside = (place >= start_KB[..., None]) & (place < (start_KB + width_KB)[..., None])
    return inside.any(0)
