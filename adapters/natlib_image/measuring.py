"""Find out from some images what the whole source holds."""

from statistics import median
from typing import NamedTuple

import numpy as np

from natlib.data import Source
from natlib.errors import DataError
from natlib_image.decoding import Decoding, Item, open_image
from natlib_image.levels import Levels, Range, common_range, levels_of
from natlib_image.pixel_limit import without_pillows_limit

__all__ = ["LookedAt", "looked_at"]

_PEEK = 64
# Wide arrays have no image before their range is known; any does for their size.
_ANY = Decoding(range=(0.0, 1.0))


class LookedAt(NamedTuple):
    """What some images of a source have in common.

    Attributes:
        side: median of their short sides in pixels.
        range: the values that become black and white; None where all have 8 bits.
    """

    side: int
    range: Range | None


def looked_at(source: Source, name: str, known: Range | None, max_pixels: int) -> LookedAt:
    """Look at some images from all over a source; those that are damaged are passed over.

    Of 8-bit files only the beginning is read.

    Args:
        source: the source.
        name: what it is called.
        known: the range of values, if it is known.
        max_pixels: larger images are not decoded.

    Raises:
        DataError: none of them can be read, or they have no common range.
    """
    sides: list[int] = []
    found: list[Levels] = []
    for item in source.peek(_PEEK):
        try:
            side, levels = _look(item, known is None, max_pixels)
        except Exception:  # the others suffice
            continue
        sides.append(side)
        if levels is not None:
            found.append(levels)
    if not sides:
        raise DataError(f"none of the first images in {name} can be read; is it image data?")
    return LookedAt(int(median(sides)), known or common_range(found, name))


def _look(item: Item, measure: bool, max_pixels: int) -> tuple[int, Levels | None]:
    """The short side of an image, and its levels if it has more than 8 bits."""
    if isinstance(item, np.ndarray):
        return min(open_image(item, _ANY).size), levels_of(item)
    image = open_image(item)
    try:
        side = min(image.size)
        if not measure or max(image.size) * side > max_pixels:
            return side, None
        with without_pillows_limit():
            return side, levels_of(image)
    finally:
        if image is not item:
            image.close()
