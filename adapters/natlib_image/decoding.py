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
from natlib_image.formats import prepare_for
from natlib_image.levels import (
    Range,
    beyond,
    beyond_upper,
    has_upper_bits,
    is_wide,
    to_bytes,
    upper_table,
)
from natlib_image.pixel_limit import MAX_PIXELS, check_pixels, without_pillows_limit
from natlib_image.pixels import as_bytes, channels_last

__all__ = [
    "MAX_ASPECT",
    "WHITE",
    "DecodedImage",
    "Decoding",
    "Item",
    "decode",
    "decode_image",
    "open_image",
]

Item = str | Path | Image.Image | npt.NDArray[Any] | Tensor
"""What can be decoded."""

MAX_ASPECT = 2.0
"""Longest aspect ratio; both ends of longer images are cut off.

A batch is padded to its largest image, so that one strip of 10,000 x 256 pixels would make 255
other images forty times as large. Photographs (16:9 at most) are never cut."""

WHITE = (255, 255, 255)

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
        clipped: share of its values that ``data.range`` clips.
        aspect: long side over short side of the image as it was stored.
    """

    index: int
    pixels: Tensor
    clipped: float = 0.0
    aspect: float = 1.0


@dataclass(frozen=True)
class Decoding:
    """How images become 8-bit RGB.

    Attributes:
        range: the values of 16-bit, 32-bit and float images that become black and white; None
            for a data set without such images.
        background: RGB under transparent pixels.
        max_pixels: width times height of the largest image that is decoded.
    """

    range: Range | None = None
    background: tuple[int, int, int] = WHITE
    max_pixels: int = MAX_PIXELS

    def described(self) -> str:
        """The range in words; empty without one."""
        return "" if self.range is None else " to ".join(f"{value:,g}" for value in self.range)

    def notes(self) -> list[str]:
        """What there is to say about the range."""
        if self.range is None:
            return []
        return [
            f"images with more than 8 bits are read from {self.described()}, black to white, and "
            "clipped there (data.range); of colours with 16 bits, the upper 8 are read"
        ]


def open_image(item: Item, how: Decoding | None = None) -> Image.Image:
    """A PIL image of a path, a PIL image, or an array.

    Args:
        item: an array or a tensor is [h, w], [h, w, channels] or [channels, h, w], and holds uint8,
            floats from 0 to 1 or from 0 to 255, or other numbers if ``how`` gives their range.
        how: see :class:`Decoding`.

    Raises:
        DataError: an array of another type or shape, an object of another type, or a file that
            needs a plug-in which is not installed.
        OSError: no such file, or not an image.
    """
    if isinstance(item, Image.Image):
        return item
    if isinstance(item, str | Path):
        missing = prepare_for(Path(item))
        if missing is not None:
            raise DataError(f"reading it needs {missing}")
        with without_pillows_limit():
            return Image.open(item)
    if isinstance(item, Tensor):
        item = item.detach().cpu().numpy()
    if isinstance(item, np.ndarray):
        return Image.fromarray(_bytes(item, None if how is None else how.range))
    raise DataError(
        f"got a {type(item).__name__}; expected a path, a PIL image, an array or a tensor"
    )


def _bytes(item: npt.NDArray[Any], levels: Range | None) -> npt.NDArray[np.uint8]:
    """An array as uint8[h, w] or uint8[h, w, 3 or 4]."""
    what = f"got an array of {item.dtype} {list(item.shape)}"
    if item.ndim not in (2, 3) or item.dtype.kind not in "iuf":
        raise DataError(
            f"{what}; expected pixels [height, width], [height, width, channels] or [channels, "
            "height, width]"
        )
    try:
        array = channels_last(item) if item.ndim == 3 else item
        wide = levels is not None and array.dtype != np.uint8
        array = to_bytes(array, levels) if levels is not None and wide else as_bytes(array)
    except DataError as error:
        raise DataError(f"{what}; {error}") from error
    return np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def decode(item: Item, short_side: int, how: Decoding | None = None) -> Tensor:
    """The pixels uint8[3, h, w] of :func:`decode_image`."""
    return decode_image(item, short_side, how).pixels


def decode_image(
    item: Item, short_side: int, how: Decoding | None = None, index: int = 0
) -> DecodedImage:
    """RGB pixels uint8[3, h, w] with ``min(h, w) == short_side``, the right way up.

    Grey, palette, 16-bit, float, transparent and CMYK images become RGB; of an animation, the
    first frame counts. Scaling is antialiased. See :data:`MAX_ASPECT` for very long images.

    Args:
        item: a path, a PIL image or an array.
        short_side: in pixels.
        how: range of values, background, largest size.
        index: the stable index of the sample.

    Raises:
        DataError: the image has too many pixels, or values whose range is not known.
        Exception: PIL raises nearly anything for a file that is damaged.
    """
    how = how or Decoding()
    image = open_image(item, how)
    check_pixels(image.size, how.max_pixels)
    aspect = max(image.size) / max(1, min(image.size))
    with without_pillows_limit():
        if isinstance(item, str | Path):
            with image:
                # JPEG only: decode at a half, a quarter or an eighth where that is enough.
                image.draft(None, _extent(image, short_side))
                pixels, clipped = _prepare(image, short_side, how)
        else:
            pixels, clipped = _prepare(image, short_side, how)
    if isinstance(item, Tensor):
        item = item.detach().cpu().numpy()
    if isinstance(item, np.ndarray) and how.range is not None and item.dtype != np.uint8:
        clipped = beyond(item, how.range)
    return DecodedImage(index, pixels, clipped, aspect)


def _extent(image: Image.Image, short_side: int) -> tuple[int, int]:
    width, height = image.size
    if min(width, height) < 1:
        raise DataError(f"the image is empty: {width} x {height} pixels")
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def _prepare(image: Image.Image, short_side: int, how: Decoding) -> tuple[Tensor, float]:
    """Pixels, and the share of values that the range clips."""
    upper_bits = has_upper_bits(image)
    image.load()
    # Not before ``load``: TIFF files turn themselves the right way up in it.
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    extent = _extent(image, short_side)
    clipped = 0.0
    if how.range is not None and (upper_bits or is_wide(image)):
        clipped = (
            beyond_upper(image, how.range) if upper_bits else beyond(np.asarray(image), how.range)
        )
    image = _as_rgb(image, how, upper_bits)
    limit = int(MAX_ASPECT * short_side)
    if max(extent) > limit:
        image, extent = _cut_ends(image, extent, limit)
    if image.size != extent:
        image = image.resize(extent, Image.Resampling.BILINEAR, reducing_gap=3.0)
    if turn is not None:
        image = image.transpose(turn)
    pixels = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
    return torch.from_numpy(pixels), clipped


def _as_rgb(image: Image.Image, how: Decoding, upper_bits: bool) -> Image.Image:
    if upper_bits or is_wide(image):
        if how.range is None:
            kind = "16-bit" if upper_bits or image.mode.startswith("I;16") else "32-bit"
            raise DataError(
                f"it is a {kind} image, and no range is known for such, since the first images of "
                "the training set have 8 bits; set data.range to the values of black and white, "
                "[0, 65535] say"
            )
        if not upper_bits:
            grey = Image.fromarray(to_bytes(np.asarray(image), how.range))
            return grey.convert("RGB")
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
    elif image.mode != "RGB":
        image = image.convert("RGB")
    if upper_bits and how.range is not None:
        image = image.point([*upper_table(how.range) * 3, *range(256)][: 256 * len(image.mode)])
    return _on_background(image, how.background) if image.mode == "RGBA" else image


def _on_background(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    ground = Image.new("RGBA", image.size, (*colour, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


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
