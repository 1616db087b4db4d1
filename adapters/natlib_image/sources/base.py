"""What a source of images has to offer."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data import Split

__all__ = ["ArrayImages", "Images", "Source", "encode_labels", "evenly_spaced"]


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


def encode_labels(
    *groups: npt.NDArray[Any] | None,
) -> tuple[list[Tensor | None], list[str]]:
    """Labels of several splits, numbered alike: class 0 is the smallest value that occurs.

    Negative integers mean "no label".
    """
    known = [np.asarray(group) for group in groups if group is not None]
    if not known:
        return [None] * len(groups), []
    values = np.unique(np.concatenate(known))
    if values.dtype.kind == "i":
        values = values[values >= 0]
    encoded: list[Tensor | None] = []
    for group in groups:
        if group is None:
            encoded.append(None)
            continue
        position = np.searchsorted(values, group)
        if values.dtype.kind == "i":
            position = np.where(np.asarray(group) < 0, -1, position)
        encoded.append(torch.from_numpy(position.astype(np.int64)))
    return encoded, [str(value) for value in values]


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most ``count`` of the indices 0 .. total - 1, spread evenly."""
    if total <= count:
        return list(range(total))
    return [round(position) for position in np.linspace(0, total - 1, count).tolist()]
