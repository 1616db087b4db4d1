"""Images in memory, as one split of a source."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["ArrayImages"]


class ArrayImages:
    """Images in memory (see :class:`natlib.data.SourceSplit`).

    Args:
        pixels: [n, h, w] or [n, h, w, c], uint8 or other whole numbers.
        names: a name for each.
        labels: int64[n] or None.
        classes: what the labels stand for.
    """

    def __init__(
        self,
        pixels: npt.NDArray[Any],
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

    def item(self, index: int) -> npt.NDArray[Any]:
        pixels: npt.NDArray[Any] = self.pixels[index]
        return pixels

    def digest(self) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).digest()
