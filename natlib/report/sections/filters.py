"""Section: the filters of the first layer."""

import torch
from torch import Tensor, nn

from natlib.data import Thumbnail
from natlib.encoders import Encoder
from natlib.report.gallery import thumbnail_html
from natlib.report.page import Section, note
from natlib.report.subject import Subject

__all__ = ["filter_tiles", "filters", "first_convolution"]

_TITLE = "First layer"
_FILTERS = 96
# Filters below this size have no visible structure.
_SMALLEST = 2


def filters(subject: Subject) -> Section:
    """The filters of the first layer, trained and untrained.

    Args:
        subject: the run's model.
    """
    weights = {
        "trained": first_convolution(subject.model.encoder),
        "as it began": first_convolution(subject.start),
    }
    sheets = [
        {
            "name": name,
            "tiles": [
                thumbnail_html(Thumbnail.from_pixels(tile.numpy())) for tile in filter_tiles(weight)
            ],
        }
        for name, weight in weights.items()
        if weight is not None
    ]
    if not sheets:
        return note(
            "filters",
            _TITLE,
            "The first layer of this encoder is not a convolution over images, so it has no "
            "filters to show.",
        )
    return Section("filters", _TITLE, "filters.html.j2", {"sheets": sheets})


def first_convolution(encoder: Encoder) -> Tensor | None:
    """Weights Tensor[o, i, h, w] of the first layer if it is a convolution over images."""
    first = next((part for part in encoder.modules() if [*part.parameters(recurse=False)]), None)
    if not isinstance(first, nn.Conv2d) or first.groups != 1 or first.in_channels > 3:
        return None
    weight = first.weight.detach().float().cpu()
    return weight if min(weight.shape[2:]) >= _SMALLEST else None


def filter_tiles(weight_OIHW: Tensor) -> list[Tensor]:
    """Pictures uint8[height, width, 3] of filters, each scaled to the full range of colours.

    Filters with three channels are shown in colour; with two, one channel is above the other.
    """
    weight = weight_OIHW[:_FILTERS]
    # Zero is mid-grey in every filter, so that excitation and inhibition are distinguishable.
    scale = weight.abs().flatten(1).amax(1).clamp_min(1e-12).view(-1, 1, 1, 1)
    tiles = (weight / scale + 1) / 2
    if tiles.shape[1] == 3:
        tiles = tiles.permute(0, 2, 3, 1)
    else:
        tiles = torch.cat([*tiles.transpose(0, 1)], dim=1).unsqueeze(-1).expand(-1, -1, -1, 3)
    return [*tiles.mul(255).round().byte()]
