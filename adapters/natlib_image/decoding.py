"""Decode a file, a PIL image or an array to uint8 pixels with a given short side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image
from torch import Tensor

from natlib.errors import DataError

__all__ = ["EXTENSIONS", "MAX_ASPECT", "DecodedImage", "decode", "open_image"]

EXTENSIONS = ("bmp", "gif", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp")
"""Suffixes of the names of image files, in upper or lower case."""

MAX_ASPECT = 2.0
"""Longest aspect ratio; both ends of longer images are cut off.

A batch is padded to its largest image, so that one strip of 10,000 x 256 pixels would make 255
other images forty times as large. Photographs (16:9 at most) are never cut."""


# Turns an image of each EXIF orientation upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodedImage:
    """One sample.

    Attributes:
        index: its stable index.
        pixels: uint8[3, h, w], RGB.
    """

    index: int
    pixels: Tensor


def open_image(item: str | Path | Image.Image | npt.NDArray[Any]) -> Image.Image:
    """A PIL image of a path, a PIL image, or a uint8 array [h, w], [h, w, 1], [h, w, 3 or 4].

    Raises:
        DataError: an array of another type or shape, or an object of another type.
        OSError: no such file, or not an image.
    """
    if isinstance(item, Image.Image):
        return item
    if isinstance(item, str | Path):
        return Image.open(item)
    if isinstance(item, np.ndarray):
        array = item[:, :, 0] if item.ndim == 3 and item.shape[2] == 1 else item
        flat = array.ndim == 2
        if array.dtype != np.uint8 or not (flat or (array.ndim == 3 and array.shape[2] in (3, 4))):
            raise DataError(
                f"got an array of {item.dtype} {list(item.shape)}; expected uint8 pixels "
                "[height, width] or [height, width, channels] with 1, 3 or 4 channels"
            )
        return Image.fromarray(np.ascontiguousarray(array))
    raise DataError(
        f"got a {type(item).__name__}; expected a path, a PIL image or a uint8 numpy array"
    )


def decode(item: str | Path | Image.Image | npt.NDArray[Any], short_side: int) -> Tensor:
    """RGB pixels uint8[3, h, w] with ``min(h, w) == short_side``, the right way up.

    Grey, palette, 16-bit, RGBA (transparency is dropped) and CMYK images become RGB; of an
    animation, the first frame counts. Scaling is antialiased. See :data:`MAX_ASPECT` for
    very long images.

    Raises:
        Exception: PIL raises nearly anything for a file that is damaged.
    """
    image = open_image(item)
    if isinstance(item, str | Path):
        with image:
            # JPEG only: decode at a half, a quarter or an eighth where that is enough.
            image.draft(None, _extent(image, short_side))
            return _prepare(image, short_side)
    return _prepare(image, short_side)


def _extent(image: Image.Image, short_side: int) -> tuple[int, int]:
    width, height = image.size
    if min(width, height) < 1:
        raise DataError(f"the image is empty: {width} x {height} pixels")
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def _prepare(image: Image.Image, short_side: int) -> Tensor:
    image.load()
    # Not before ``load``: TIFF files turn themselves the right way up in it.
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    extent = _extent(image, short_side)
    image = _as_rgb(image)
    limit = int(MAX_ASPECT * short_side)
    if max(extent) > limit:
        image, extent = _cut_ends(image, extent, limit)
    if image.size != extent:
        image = image.resize(extent, Image.Resampling.BILINEAR, reducing_gap=3.0)
    if turn is not None:
        image = image.transpose(turn)
    return torch.from_numpy(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)))


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I", "F")):
        return _wide_grey(image)
    if image.mode == "P" and "transparency" in image.info:
        # Straight to RGB, PIL warns about transparency that a palette spells in bytes.
        image = image.convert("RGBA")
    return image.convert("RGB")


def _wide_grey(image: Image.Image) -> Image.Image:
    """16-bit and float grey, which PIL itself would cut off at 255."""
    values = np.asarray(image).astype(np.float64)
    top = values.max(initial=0)
    if image.mode == "F":
        values = values * 255 if top <= 1 else values
    elif image.mode != "I" or top > 255:
        values = values / 257
    grey = np.nan_to_num(values).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _cut_ends(
    image: Image.Image, extent: tuple[int, int], limit: int
) -> tuple[Image.Image, tuple[int, int]]:
    """The middle of a long image, before scaling."""
    width, height = image.size
    if width > height:
        keep = max(1, round(width * limit / extent[0]))
        left = (width - keep) // 2
        return image.crop((left, 0, left + keep, height)), (limit, extent[1])
    keep = max(1, round(height * limit / extent[1]))
    top = (height - keep) // 2
    return image.crop((0, top, width, top + keep)), (extent[0], limit)
