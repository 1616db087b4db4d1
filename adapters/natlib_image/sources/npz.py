"""Arrays in an .npz file, as a source of images."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.data import Source, Split, encode_labels
from natlib.data.files import NumberedNames
from natlib.errors import DataError
from natlib.runtime.unpacking import NpzFile
from natlib_image.levels import Range
from natlib_image.pixels import as_bytes, channels_last
from natlib_image.sources.arrays import ArrayImages

__all__ = ["Npz"]

_KEYS: dict[Split, tuple[str, str]] = {
    "train": ("images", "labels"),
    "val": ("val_images", "val_labels"),
    "test": ("test_images", "test_labels"),
}


class Npz(Source):
    """``images`` and, if there are any, ``labels``; the same with ``val_`` and ``test_``.

    Images are uint8, floats from 0 to 1 or from 0 to 255, or other whole numbers, which have a
    common range (``data.range``); [n, height, width], with 1, 3 or 4 channels behind or in front.
    Labels are whole numbers (negative: none) or strings.

    Args:
        path: the file; nothing in it is unpickled.
        levels: the range of images that are not uint8, which are then kept as they are; None to
            recognise floats by their values.
    """

    def __init__(self, path: Path, levels: Range | None = None) -> None:
        self.path = path
        self.levels = levels

    def split(self, split: Split, cache: Path | None = None) -> ArrayImages | None:
        images_key, labels_key = _KEYS[split]
        with self._open() as file:
            if "images" not in file:
                raise DataError(
                    f"{self.path} has no array 'images'; it holds: {', '.join(file) or 'nothing'}"
                )
            if images_key not in file:
                return None
            pixels = self._pixels(images_key, self._read(file, images_key))
            found = {key: self._labels(file, key) for _, key in _KEYS.values()}
        labels = found[labels_key]
        if labels is not None and labels.shape != (len(pixels),):
            raise DataError(
                f"{self.path}: '{labels_key}' has shape {list(labels.shape)}; "
                f"expected [{len(pixels)}], one for each of '{images_key}'"
            )
        encoded, classes = encode_labels(*found.values())
        names = NumberedNames(images_key, len(pixels))
        own = encoded[list(found).index(labels_key)]
        return ArrayImages(pixels, names, own, classes if own is not None else [])

    def _open(self) -> NpzFile:
        try:
            return NpzFile(self.path)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path} cannot be read as an .npz file: {error}") from error

    def _read(self, file: NpzFile, key: str) -> npt.NDArray[Any]:
        try:
            return file[key]
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: '{key}' cannot be read: {error}") from error

    def _labels(self, file: NpzFile, key: str) -> npt.NDArray[Any] | None:
        if key not in file:
            return None
        labels = self._read(file, key)
        if labels.dtype.kind in "ub":
            labels = labels.astype(np.int64)
        if labels.ndim != 1 or labels.dtype.kind not in "iU":
            raise DataError(
                f"{self.path}: '{key}' is {labels.dtype} {list(labels.shape)}; "
                "expected whole numbers or strings [n]"
            )
        return labels

    def _pixels(self, key: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        what = f"{self.path}: '{key}' is {array.dtype} {list(array.shape)}"
        if array.ndim not in (3, 4):
            raise DataError(
                f"{what}; expected [n, height, width], [n, height, width, channels] or "
                "[n, channels, height, width]"
            )
        if array.size == 0:
            raise DataError(f"{what}; expected at least one image")
        try:
            array = channels_last(array) if array.ndim == 4 else array
            kept = "iu" if self.levels is None else "iuf"
            return array if array.dtype.kind in kept else as_bytes(array)
        except DataError as error:
            raise DataError(f"{what}; {error}") from error
