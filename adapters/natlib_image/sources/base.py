"""What a source of images has to offer."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from natlib.data import Split

__all__ = ["ArrayImages", "Images", "Source"]


class Images(Protocol):
    """The images of one split, not decoded yet.

    Attributes:
        names: a name for each image.
        labels: int64[n], -1 where an image has none; None if there are no labels.
        classes: what the labels 0, 1, ... stand for.
    """

    names: Sequence[str]
    labels: Tensor | None
    classes: list[str]

    def __len__(self) -> int: ...

    @abstractmethod
    def item(self, index: int) -> Any:
        """Something that :func:`natlib_image.decoding.decode` takes; may raise."""

    @abstractmethod
    def digest(self) -> bytes:
        """Equal if and only if the images are the same ones (by name, for files)."""


class Source(Protocol):
    """Where images come from: up to three splits."""

    @abstractmethod
    def split(self, split: Split, cache: Path | None) -> Images | None:
        """The images of a split; None if the source does not have it.

        Raises:
            DataError: the source cannot be read or holds no images.
        """

    @abstractmethod
    def peek(self, count: int) -> list[Any]:
        """Up to ``count`` items of the training split, for a look at their extents."""


class ArrayImages:
    """Images in memory.

    Args:
        pixels: uint8[n, h, w] or uint8[n, h, w, c].
        names: a name for each.
        labels: int64[n] or None.
        classes: what the labels stand for.
    """

    def __init__(
        self,
        pixels: npt.NDArray[np.uint8],
        names: Sequence[str],
        labels: Tensor | None,
        classes: list[str],
    ) -> None:
        self.pixels = pixels
        self.names = names
        self.labels = labels
        self.classes = classes

    def __len__(self) -> int:
        return len(self.pixels)

    def item(self, index: int) -> npt.NDArray[np.uint8]:
        pixels: npt.NDArray[np.uint8] = self.pixels[index]
        return pixels

    def digest(self) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).digest()
