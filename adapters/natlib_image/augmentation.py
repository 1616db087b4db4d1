"""Augmentation of images: its settings, and how a view is made."""

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Condition, Settings
from natlib.conditions import positive
from natlib_image import colour
from natlib_image.geometry import crop, plain_boxes, resized_boxes

__all__ = ["Augmentation", "default_blur", "one_view"]

Probability = Annotated[float, Field(ge=0, le=1)]


class Augmentation(Settings):
    """How views differ. The defaults are SimCLR's (Chen et al., ICML 2020, arXiv 2002.05709).

    A probability of 0 or a strength of 0 turns an operation off. Every image and every view
    draws its own random numbers.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("crop_scale", "crop_ratio"),
            on=("crop",),
            holds=lambda crop: crop == "resized",
            remedy="set {crop} to resized",
        ),
        Condition(
            ("brightness", "contrast", "saturation", "hue"),
            on=("jitter",),
            holds=positive,
            remedy="set {jitter} above 0",
        ),
        Condition(("blur_sigma",), on=("blur",), holds=positive, remedy="set {blur} above 0"),
    )

    crop: Literal["resized", "plain"] = "resized"
    """``resized``: a box of random area and shape, scaled to the size of a view.
    ``plain``: a square of that size, not scaled (the 2017 paper)."""
    crop_scale: tuple[float, float] = (0.2, 1.0)
    """Smallest and largest share of the image's area in a box (``resized`` only)."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest width / height of a box (``resized`` only)."""
    flip: Probability = 0.5
    """Probability of flipping left to right."""
    jitter: Probability = 0.8
    """Probability of changing brightness, contrast, saturation and hue."""
    brightness: float = Field(default=0.4, ge=0)
    """Brightness is multiplied by a factor in [1 - x, 1 + x]."""
    contrast: float = Field(default=0.4, ge=0)
    """Contrast, likewise."""
    saturation: float = Field(default=0.2, ge=0)
    """Saturation, likewise."""
    hue: float = Field(default=0.1, ge=0, le=0.5)
    """Hue is rotated by up to this share of the full circle, in either direction."""
    grey: Probability = 0.2
    """Probability of removing all colour."""
    blur: Probability | None = None
    """Probability of a Gaussian blur; by default 0.5, or 0 for views of at most 64 pixels (as in
    SimCLR on CIFAR)."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Smallest and largest standard deviation of the blur, in pixels."""
    solarise: Probability = 0.0
    """Probability of solarisation: inverting values above one half."""

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name, top in (("crop_scale", 1.0), ("crop_ratio", None), ("blur_sigma", None)):
            low, high = getattr(self, name)
            if not 0 < low <= high or (top is not None and high > top):
                limit = "0 < low <= high" + (f" <= {top:g}" if top is not None else "")
                raise ValueError(f"{name} is [{low:g}, {high:g}]; expected {limit}")
        return self


def one_view(
    settings: Augmentation, pixels: Tensor, height: Tensor, width: Tensor, size: int
) -> Tensor:
    """One augmented view of each image, float[b, 3, size, size] in [0, 1].

    Args:
        settings: which operations, and how strong.
        pixels: float[b, 3, H, W] in [0, 1], padded.
        height: int64[b], valid height of each image.
        width: int64[b], valid width.
        size: side of a view.
    """
    count, device = len(pixels), pixels.device
    # All random numbers are drawn in every call, so that turning one operation off leaves those of
    # the others unchanged.
    if settings.crop == "plain":
        boxes = plain_boxes(height, width, size)
    else:
        boxes = resized_boxes(height, width, settings.crop_scale, settings.crop_ratio)
    draw = iter(torch.rand(10, count, device=device))
    mirror = next(draw) < settings.flip
    view = crop(pixels, height, width, boxes, size, mirror)
    jittered = next(draw) < settings.jitter
    brightness, contrast, saturation, hue = (
        torch.where(jittered, strength * (2 * next(draw) - 1), 0.0)
        for strength in (
            settings.brightness,
            settings.contrast,
            settings.saturation,
            settings.hue,
        )
    )
    grey = next(draw) < settings.grey
    if settings.jitter > 0 or settings.grey > 0:
        view = colour.jitter(
            view,
            (1 + brightness).clamp_(min=0),
            (1 + contrast).clamp_(min=0),
            (1 + saturation).clamp_(min=0),
            hue,
            grey,
        )
    blurred, sharpness, solarised = next(draw), next(draw), next(draw)
    probability = default_blur(size) if settings.blur is None else settings.blur
    if probability > 0:
        low, high = settings.blur_sigma
        view = _blur(view, blurred < probability, low + (high - low) * sharpness)
    if settings.solarise > 0:
        view = colour.solarise(view, solarised < settings.solarise)
    return view


def default_blur(size: int) -> float:
    """Default probability of a blur."""
    return 0.5 if size > 64 else 0.0


def _blur(view: Tensor, chosen: Tensor, sigma: Tensor) -> Tensor:
    """Blur the chosen images (bool[b]), each by its own sigma (float[b])."""
    rows = chosen.nonzero()[:, 0]
    if len(rows) == 0:
        return view
    from kornia.filters import gaussian_blur2d

    # A tenth of the image as in SimCLR, made odd.
    kernel = max(3, view.shape[-1] // 10 // 2 * 2 + 1)
    sigma_2 = sigma[rows, None].expand(-1, 2)
    return view.index_copy(
        0, rows, gaussian_blur2d(view[rows], (kernel, kernel), sigma_2, border_type="reflect")
    )
