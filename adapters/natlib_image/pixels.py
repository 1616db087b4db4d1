"""Pixels in arrays: which axis is that of channels, and which numbers are black and white."""

from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.errors import DataError

__all__ = ["as_bytes", "channels_last"]

_CHANNELS = (1, 3, 4)
# Floats that are brighter than this, and than 1, are on the scale of bytes.
_BYTES = 128


def channels_last(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[..., height, width, channels] from that or from [..., channels, height, width].

    Raises:
        DataError: neither axis has 1, 3 or 4 channels, or both have.
    """
    last = array.shape[-1] in _CHANNELS
    # [4, 4, 2] is no RGBA image that is two pixels wide, but one of two channels.
    first = array.shape[-3] in _CHANNELS and (last or array.shape[-1] > max(_CHANNELS))
    if first and last:
        raise DataError("channels may come first or last; make them the last axis of larger images")
    if not first and not last:
        raise DataError("expected 1, 3 or 4 channels, behind height and width or in front of them")
    return np.moveaxis(array, -3, -1) if first else array


def as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Pixels as uint8: floats are from 0 to 1, or from 0 to 255 if one is above 128.

    Raises:
        DataError: the numbers are of another type, or may be on another scale.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise DataError("expected uint8, floats from 0 to 1 or from 0 to 255, or set data.range")
    if not array.size:
        raise DataError("it is empty")
    low, high = array.min(), array.max()
    if not low >= 0 or not (high <= 1 or _BYTES < high <= 255):  # NaN is neither
        raise DataError(
            f"the values are in [{low:g}, {high:g}]; expected floats from 0 to 1, or from 0 to 255 "
            f"with some above {_BYTES}, or set data.range"
        )
    scaled = array if high > 1 else array * 255
    pixels: npt.NDArray[np.uint8] = scaled.round().astype(np.uint8)
    return pixels
