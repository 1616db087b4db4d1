"""Boxes inside each image, and crops of a whole batch by its boxes.

kornia's crops are not used: they know only the size of the padded batch and not that of each
image in it, so a crop would show padding.

Shapes: b images in the batch, H x W pixels of the padded batch, s pixels a side of a view.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Boxes", "centre_boxes", "corner_boxes", "crop", "plain_boxes", "resized_boxes"]

# Draws before giving up on a box that fits its image, as many as torchvision's.
_TRIES = 10


class Boxes(NamedTuple):
    """One box for each image, in pixels of the padded batch, each float32[b]."""

    left: Tensor
    top: Tensor
    width: Tensor
    height: Tensor


def resized_boxes(
    height: Tensor, width: Tensor, scale: tuple[float, float], ratio: tuple[float, float]
) -> Boxes:
    """Boxes of random area and shape at random places ("Inception crops").

    Szegedy et al., "Going deeper with convolutions", CVPR 2015, as torchvision draws them:
    the first of ten draws that fits, else the largest box in the middle that keeps to ``ratio``.

    Args:
        height: int64[b], the valid height of each image.
        width: int64[b], the valid width.
        scale: smallest and largest share of the image's area.
        ratio: smallest and largest width / height; drawn uniformly on a log scale.
    """
    h_B, w_B = height.float(), width.float()
    draw_4TB = torch.rand(2, _TRIES, len(h_B), device=h_B.device)
    area_TB = h_B * w_B * (scale[0] + (scale[1] - scale[0]) * draw_4TB[0])
    limits = torch.tensor(ratio).log().tolist()
    aspect_TB = torch.exp(limits[0] + (limits[1] - limits[0]) * draw_4TB[1])
    box_w_TB = (area_TB * aspect_TB).sqrt().round()
    box_h_TB = (area_TB / aspect_TB).sqrt().round()
    fits_TB = (box_w_TB <= w_B) & (box_h_TB <= h_B) & (box_w_TB >= 1) & (box_h_TB >= 1)
    # argmax finds the first True; where there is none, the fallback below takes over.
    first_1B = fits_TB.int().argmax(0, keepdim=True)
    shape_B = (w_B / h_B).clamp(*ratio)
    fallback_w = torch.minimum(w_B, (h_B * shape_B).round()).clamp(min=1)
    fallback_h = torch.minimum(h_B, (w_B / shape_B).round()).clamp(min=1)
    found_B = fits_TB.any(0)
    box_w = torch.where(found_B, box_w_TB.gather(0, first_1B)[0], fallback_w)
    box_h = torch.where(found_B, box_h_TB.gather(0, first_1B)[0], fallback_h)
    left, top = _places(h_B, w_B, box_h, box_w)
    left = torch.where(found_B, left, ((w_B - box_w) / 2).floor())
    top = torch.where(found_B, top, ((h_B - box_h) / 2).floor())
    return Boxes(left, top, box_w, box_h)


def plain_boxes(height: Tensor, width: Tensor, size: int) -> Boxes:
    """Boxes of ``size`` x ``size`` pixels at random places; images are not scaled."""
    h_B, w_B = height.float(), width.float()
    box_h, box_w = h_B.clamp(max=size), w_B.clamp(max=size)
    left, top = _places(h_B, w_B, box_h, box_w)
    return Boxes(left, top, box_w, box_h)


def centre_boxes(height: Tensor, width: Tensor, share: float) -> Boxes:
    """Squares in the middle whose side is ``share`` of the short side of each image."""
    h_B, w_B = height.float(), width.float()
    side = (torch.minimum(h_B, w_B) * share).round().clamp(min=1)
    return Boxes(((w_B - side) / 2).floor(), ((h_B - side) / 2).floor(), side, side)


def corner_boxes(height: Tensor, width: Tensor, share: float) -> list[Boxes]:
    """Squares of the size of :func:`centre_boxes` in the four corners, and the central one."""
    centre = centre_boxes(height, width, share)
    right, bottom = width.float() - centre.width, height.float() - centre.height
    zero = torch.zeros_like(right)
    corners = [(zero, zero), (right, zero), (zero, bottom), (right, bottom)]
    return [*(Boxes(left, top, centre.width, centre.height) for left, top in corners), centre]


def _places(h_B: Tensor, w_B: Tensor, box_h: Tensor, box_w: Tensor) -> tuple[Tensor, Tensor]:
    """Random whole-pixel corners (left, top) of boxes that stay inside."""
    draw_2B = torch.rand(2, len(h_B), device=h_B.device)
    # The product can round up to w - box_w + 1, one too far.
    left = torch.minimum((draw_2B[0] * (w_B - box_w + 1)).floor(), w_B - box_w)
    top = torch.minimum((draw_2B[1] * (h_B - box_h + 1)).floor(), h_B - box_h)
    return left, top


def crop(
    pixels: Tensor,
    height: Tensor,
    width: Tensor,
    boxes: Boxes,
    size: int,
    mirror: Tensor | None = None,
) -> Tensor:
    """Cut a box out of each image, scale it to a square and mirror it: one ``grid_sample``.

    Bilinear. Decoding scales images close to the size of a view, so a box is hardly ever more than
    twice as large and antialiasing would make no visible difference.

    Args:
        pixels: float[b, 3, H, W].
        height: int64[b], the valid height of each image; padding is never read.
        width: int64[b], the valid width.
        boxes: the box of each image.
        size: s, the side of a view.
        mirror: bool[b], which views are flipped left to right.

    Returns:
        float[b, 3, s, s].
    """
    centres_S = (torch.arange(size, device=pixels.device) + 0.5) / size
    x_BS = boxes.left[:, None] + boxes.width[:, None] * centres_S
    y_BS = boxes.top[:, None] + boxes.height[:, None] * centres_S
    if mirror is not None:
        x_BS = torch.where(mirror[:, None], x_BS.flip(1), x_BS)
    x_BS = _normalised(x_BS, width, pixels.shape[3])
    y_BS = _normalised(y_BS, height, pixels.shape[2])
    shape = (len(pixels), size, size)
    grid_BSS2 = torch.stack([x_BS[:, None, :].expand(shape), y_BS[:, :, None].expand(shape)], -1)
    return F.grid_sample(pixels, grid_BSS2, padding_mode="border", align_corners=False)


def _normalised(position_BS: Tensor, valid_B: Tensor, extent: int) -> Tensor:
    """Pixel positions as ``grid_sample`` counts them, kept off the padding.

    Bilinear sampling within half a pixel of the edge would mix in the neighbour beyond it.
    """
    position_BS = torch.minimum(position_BS, valid_B[:, None] - 0.5).clamp(min=0.5)
    return position_BS * (2.0 / extent) - 1.0
