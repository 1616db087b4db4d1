"""Handwritten digits that come with scikit-learn: a source that needs no data."""

from pathlib import Path

import numpy as np
import torch

from natlib.data import Source, Split
from natlib_image.sources.arrays import ArrayImages

__all__ = ["Digits"]

# Every fifth image of each class is a test image.
_TEST_EVERY = 5


class Digits(Source):
    """1,797 grey images of 8 x 8 pixels (Alpaydin and Kaynak, UCI repository, 1998)."""

    def split(self, split: Split, cache: Path | None = None) -> ArrayImages | None:
        if split == "val":
            return None
        from sklearn.datasets import load_digits

        digits = load_digits()
        # Pixels are counts from 0 to 16.
        pixels = (digits.images * (255 / 16)).round().astype(np.uint8)
        labels = digits.target.astype(np.int64)
        test = np.zeros(len(labels), dtype=bool)
        for label in range(10):
            test[np.flatnonzero(labels == label)[::_TEST_EVERY]] = True
        rows = np.flatnonzero(test if split == "test" else ~test)
        return ArrayImages(
            pixels[rows],
            [f"digit-{row:04d}" for row in rows],
            torch.from_numpy(labels[rows]),
            [str(label) for label in range(10)],
        )
