"""Colour augmentation of whole batches, independent for each image.

Written by hand for speed. Brightness, saturation, hue and grey are 3 x 3 matrices on
RGB, so their product is one matrix per image; contrast adds a constant. All of it is a
single ``baddbmm``, where kornia converts to HSV and back: on one CPU core kornia makes four to five
thousand views of 32 x 32 pixels in a second, this module 25 to 50 thousand
(``benchmarks/image_views.py``).

Two consequences: values are clipped to [0, 1] once and not after each operation, and hue is
a rotation in the YIQ plane, as in DALI, rather than a shift in HSV.

Shapes: b images, h x w pixels.
"""

import math

import torch
from torch import Tensor

__all__ = ["jitter", "solarise"]

# Rec. 601 weights of luminance, those of PIL's mode L.
_LUMA = (0.299, 0.587, 0.114)
_YIQ = torch.tensor([_LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)])
_YIQ_INVERSE: Tensor = torch.linalg.inv(_YIQ)


def _in_rgb(matrix_yiq: list[list[float]]) -> Tensor:
    product: Tensor = _YIQ_INVERSE @ torch.tensor(matrix_yiq) @ _YIQ
    return product


# A rotation by t about the luminance axis is  grey + cos t * even + sin t * odd.
_GREY = torch.tensor([_LUMA, _LUMA, _LUMA])
_EVEN = _in_rgb([[0.0, 0, 0], [0, 1, 0], [0, 0, 1]])
# From red over green to blue, the direction of the hue in HSV.
_ODD = _in_rgb([[0.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def jitter(
    pixels: Tensor,
    brightness: Tensor,
    contrast: Tensor,
    saturation: Tensor,
    hue: Tensor,
    grey: Tensor,
) -> Tensor:
    """Change the colours of each image by its own factors; clips to [0, 1].

    Args:
        pixels: float[b, 3, h, w] in [0, 1].
        brightness: float[b], a factor; 1 leaves an image as it is.
        contrast: float[b], a factor on the distance to the image's mean luminance.
        saturation: float[b], a factor on the distance to grey.
        hue: float[b], a share of the full circle; 0 leaves an image as it is.
        grey: bool[b], which images lose their colour.
    """
    grey_33, even_33, odd_33 = (m.to(pixels.device) for m in (_GREY, _EVEN, _ODD))
    angle_B11 = (2 * math.pi * hue).view(-1, 1, 1)
    saturation_B11 = torch.where(grey, 0.0, saturation).view(-1, 1, 1)
    # Saturation scales the chroma plane and hue rotates it, so one expression does both.
    matrix_B33 = grey_33 + saturation_B11 * (angle_B11.cos() * even_33 + angle_B11.sin() * odd_33)
    flat_B3P = pixels.flatten(2)
    # Neither changes luminance, so its mean is known in advance.
    luma_B = brightness * (flat_B3P.mean(2) @ grey_33[0])
    shift_B11 = ((1 - contrast) * luma_B).view(-1, 1, 1)
    matrix_B33 = matrix_B33 * (brightness * contrast).view(-1, 1, 1)
    out_B3P = torch.baddbmm(shift_B11, matrix_B33, flat_B3P)
    return out_B3P.clamp_(0, 1).view_as(pixels)


def solarise(pixels: Tensor, chosen: Tensor) -> Tensor:
    """Invert values above one half in the chosen images (bool[b])."""
    inverted = (pixels >= 0.5) & chosen.view(-1, 1, 1, 1)
    return torch.where(inverted, 1 - pixels, pixels)
