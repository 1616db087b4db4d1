"""Levels of images with more than 8 bits: one range of values for a whole data set."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from natlib.errors import DataError

__all__ = [
    "UPPER",
    "Levels",
    "Range",
    "beyond",
    "beyond_upper",
    "common_range",
    "has_upper_bits",
    "is_wide",
    "levels_of",
    "to_bytes",
    "upper_table",
]

Range = tuple[float, float]
"""The values that become black and white."""

UPPER = 257
"""A 16-bit colour whose upper 8 bits are v lies at about v times this."""

# Brighter than this, floats that are not negative count from 0 to 255.
_BYTES = 128


class Levels(NamedTuple):
    """What values an image holds.

    Attributes:
        floats: whether they are floats; whole numbers otherwise.
        low: the smallest.
        high: the largest.
    """

    floats: bool
    low: float
    high: float


def is_wide(image: Image.Image) -> bool:
    """Whether a grey image has 16 bits, 32 bits or floats, which Pillow would cut off at 255."""
    return image.mode.startswith(("I", "F"))


def has_upper_bits(image: Image.Image) -> bool:
    """Whether an image in colour has 16 bits, of which Pillow decodes the upper 8.

    Known before the image is loaded only.
    """
    # How the pixels are stored is the last entry of a tile: ``RGB;16B``.
    return not is_wide(image) and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def levels_of(item: Image.Image | npt.NDArray[Any]) -> Levels | None:
    """The levels of an image or an array; None for 8 bits, which need no range."""
    if isinstance(item, np.ndarray):
        return None if item.dtype == np.uint8 else _levels(item)
    upper = has_upper_bits(item)
    if not (upper or is_wide(item)):
        return None
    values = np.asarray(item)
    if upper:
        values = values[..., :3].astype(np.int64) * UPPER  # not of transparency
    return _levels(values)


def _levels(values: npt.NDArray[Any]) -> Levels | None:
    floats = values.dtype.kind == "f"
    finite = values[np.isfinite(values)] if floats else values
    if not finite.size:
        return None
    return Levels(floats, float(finite.min()), float(finite.max()))


def common_range(found: Sequence[Levels], name: str) -> Range | None:
    """One range for a data set; None where all images have 8 bits.

    - Whole numbers that are not negative go from 0 to the largest number of as many bits, of 8 at
      least: 12-bit images in 16 bits go from 0 to 4,095.
    - Floats go from 0 to 1, from -1 to 1, or, if they are not negative and reach 128, from 0 to
      255.
    - Others go from the smallest value to the largest.

    Args:
        found: the levels of some images with more than 8 bits.
        name: the source.

    Raises:
        DataError: some hold whole numbers, and others floats in another range.
    """
    if not found:
        return None
    kinds = [[levels for levels in found if levels.floats is floats] for floats in (False, True)]
    ranges = [_range(levels) for levels in kinds if levels]
    if len(set(ranges)) > 1:
        (low, high), (first, last) = ranges
        raise DataError(
            f"the images in {name} have no common range: whole numbers from {low:,g} to {high:,g} "
            f"and floats from {first:,g} to {last:,g}; convert some, or set data.range"
        )
    return ranges[0]


def _range(found: Sequence[Levels]) -> Range:
    low, high = min(levels.low for levels in found), max(levels.high for levels in found)
    if not found[0].floats:
        if low < 0:
            return low, max(high, low + 1)
        return 0.0, float(2 ** max(8, math.floor(high).bit_length()) - 1)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= -1 and high <= 1:
        return -1.0, 1.0
    if low >= 0 and _BYTES <= high <= 255:
        return 0.0, 255.0
    return low, high if high > low else low + 1.0


def to_bytes(values: npt.NDArray[Any], levels: Range) -> npt.NDArray[np.uint8]:
    """Values as uint8 of the same shape: the range becomes 0 to 255, what lies beyond is clipped.

    NaN becomes black.
    """
    low, high = levels
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.nan_to_num(scaled, posinf=255.0, neginf=0.0).round().clip(0, 255).astype(np.uint8)


def beyond(values: npt.NDArray[Any], levels: Range) -> float:
    """The share of values that lie beyond a range, and are clipped."""
    low, high = levels
    return float(((values < low) | (values > high)).mean())


def beyond_upper(image: Image.Image, levels: Range) -> float:
    """The same of the colours of an image, by their upper 8 bits."""
    counts = np.array(image.getchannel(0).histogram())
    for channel in range(1, min(3, len(image.getbands()))):
        counts = counts + image.getchannel(channel).histogram()
    low, high = levels
    steps = np.arange(256) * UPPER
    return float(counts[(steps < low) | (steps > high)].sum() / max(1, counts.sum()))


def upper_table(levels: Range) -> list[int]:
    """What each of the 256 values of the upper 8 bits becomes."""
    return [int(value) for value in to_bytes(np.arange(256) * UPPER, levels)]
