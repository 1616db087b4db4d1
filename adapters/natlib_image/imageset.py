"""A sample set of images: decoded when asked for, or all at once into memory."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from natlib.data import (
    DecodedStore,
    SourceSplit,
    Unreadable,
    check_unreadable,
    decode_all,
    evenly_spaced,
)
from natlib.data.files import ChosenNames
from natlib_image.decoding import DecodedImage, decode

__all__ = ["ImageSet"]

_GIB = float(1 << 30)
_PEEK = 32


class ImageSet:
    """Images of one split as samples (see :class:`natlib.data.SampleSet`).

    Args:
        images: where they come from.
        short_side: pixels of the short side after decoding.
        cache_gib: keep decoded images in memory if they need no more than this.
        rows: int64[m], sorted: use only these; all by default.
    """

    def __init__(
        self, images: SourceSplit, short_side: int, cache_gib: float, rows: Tensor | None = None
    ) -> None:
        self._images = images
        self._short_side = short_side
        self._limit = cache_gib * _GIB
        self._rows = None if rows is None else rows.numpy()
        self._store: DecodedStore | None = None
        self.names: Sequence[str] = images.names
        self.labels = images.labels
        if rows is not None:
            self.names = ChosenNames(images.names, rows.numpy())
            self.labels = None if images.labels is None else images.labels[rows]
        self.classes = images.classes
        self.usable = torch.arange(len(self.names))
        self.unreadable: list[Unreadable] = []
        self.in_memory = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> DecodedImage | Unreadable:
        if self._store is None:
            return self._decode(index)
        pixels = self._store[index]
        if pixels.numel() == 0:
            return next(bad for bad in self.unreadable if bad.index == index)
        return DecodedImage(index, pixels)

    def _decode(self, index: int) -> DecodedImage | Unreadable:
        row = index if self._rows is None else int(self._rows[index])
        try:
            return DecodedImage(index, decode(self._images.item(row), self._short_side))
        except MemoryError:
            raise
        # PIL raises OSError, SyntaxError, ValueError, IndexError, struct.error and more.
        except Exception as error:
            return Unreadable(index, f"{type(error).__name__}: {error}")

    def _pixels(self, index: int) -> Tensor | Unreadable:
        sample = self._decode(index)
        return sample if isinstance(sample, Unreadable) else sample.pixels

    def path(self, index: int) -> Path | None:
        """The file of an image; None where the source is no files."""
        item = self._images.item(index if self._rows is None else int(self._rows[index]))
        return Path(item) if isinstance(item, str | Path) else None

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """See :meth:`natlib.data.SampleSet.preload`.

        Raises:
            DataError: more than 5 % of the images cannot be decoded.
        """
        if self._store is not None:
            return
        peeked = [self._decode(index) for index in evenly_spaced(len(self), _PEEK)]
        sizes = [s.pixels.numel() for s in peeked if isinstance(s, DecodedImage)]
        image_bytes = sum(sizes) / len(sizes) if sizes else 0.0
        if image_bytes * len(self) > self._limit:
            return
        store = decode_all(
            self._pixels,
            len(self),
            rank=3,
            sample_bytes=image_bytes,
            limit=self._limit,
            workers=workers,
            progress=progress,
        )
        if store is None:
            return
        self.unreadable = store.unreadable
        check_unreadable(self.unreadable, self.names, "images")
        self.usable = store.readable
        self._store = store
        self.in_memory = True

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self._images.digest())
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        if self._rows is not None:
            digest.update(np.ascontiguousarray(self._rows).data)
        return digest.hexdigest()
