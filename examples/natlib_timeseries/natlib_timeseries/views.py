"""How views of a series differ."""

import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.component import Settings


class Augmentation(Settings):
    """How views differ; 0 turns an operation off (a crop of 1)."""

    crop: float = 0.7
    """Shortest part of a series that is cut out and stretched to the full length."""
    warp: float = 0.1
    """How far time runs ahead or behind at most, as a share of the length."""
    scale: float = 0.2
    """Standard deviation of the logarithm of the factor that a channel is multiplied by."""
    jitter: float = 0.1
    """Standard deviation of Gaussian noise."""
    mask: float = 0.2
    """Longest gap that is set to 0, as a share of the length."""


def one_view(settings: Augmentation, series: Tensor) -> Tensor:
    """A view of each series float[b, c, t]; every series draws its own random numbers."""
    count, _, time = series.shape
    size, start, bend, gap, where = torch.rand(5, count, 1, device=series.device)
    clock = torch.linspace(0, 1, time, device=series.device).expand(count, time)
    # Where each point of the view is read: in a part of the series, whose time is bent.
    size = settings.crop + (1 - settings.crop) * size
    bent = clock + settings.warp * (2 * bend - 1) * torch.sin(torch.pi * clock)
    place = (start * (1 - size) + size * bent).clamp(0, 1) * 2 - 1
    grid = torch.stack([place, torch.zeros_like(place)], dim=-1)[:, None]
    view = F.grid_sample(series[:, :, None], grid, align_corners=True)[:, :, 0]
    view = view * (settings.scale * torch.randn_like(view[:, :, :1])).exp()
    view = view + settings.jitter * torch.randn_like(view)
    begin = where * (1 - settings.mask * gap)
    hidden = (clock >= begin) & (clock < begin + settings.mask * gap)
    return view.masked_fill(hidden[:, None], 0.0)
