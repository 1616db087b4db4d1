"""Decoded images kept in memory: a few large blocks instead of many small tensors."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from natlib.data import Unreadable
from natlib_image.decoding import DecodedImage

__all__ = ["PixelStore", "decode_all"]

# Bytes that a worker hands over at once: little enough for a small /dev/shm.
_BLOCK_BYTES = 4 << 20
_MAX_BLOCK = 1024
# Fewer images than this are decoded before workers would have started.
_WORTH_WORKERS = 2048

Load = Callable[[int], DecodedImage | Unreadable]


class _Block(NamedTuple):
    """Some consecutive images: uint8[t] pixels, (height, width) of each, and what failed."""

    pixels: Tensor
    extents: list[tuple[int, int]]
    unreadable: list[Unreadable]


class PixelStore:
    """Pixels of images 0 .. n-1 by index; images that could not be decoded have none.

    Args:
        total: n.
        block: how many images are in one block.
    """

    def __init__(self, total: int, block: int) -> None:
        self.unreadable: list[Unreadable] = []
        self._block = block
        self._blocks: list[Tensor] = []
        self._height = np.zeros(total, np.int32)
        self._width = np.zeros(total, np.int32)
        self._offset = np.zeros(total, np.int64)

    def append(self, block: _Block) -> None:
        """Take the next block."""
        first = len(self._blocks) * self._block
        rows = slice(first, first + len(block.extents))
        extents = np.array(block.extents, np.int32).reshape(-1, 2)
        self._height[rows], self._width[rows] = extents.T
        lengths = 3 * extents[:, 0].astype(np.int64) * extents[:, 1]
        self._offset[rows] = np.cumsum(lengths) - lengths
        # A copy, since what a worker sends lies in shared memory and holds a file open.
        self._blocks.append(block.pixels.clone())
        self.unreadable += block.unreadable

    @property
    def readable(self) -> Tensor:
        """int64[u], which images have pixels."""
        return torch.from_numpy(np.flatnonzero(self._height))

    def __getitem__(self, index: int) -> Tensor:
        """uint8[3, h, w]; a view, nothing is copied."""
        height, width = int(self._height[index]), int(self._width[index])
        return self._blocks[index // self._block].as_strided(
            (3, height, width), (height * width, width, 1), int(self._offset[index])
        )


class _Blocks(Dataset[_Block]):
    def __init__(self, load: Load, total: int, block: int) -> None:
        self._load = load
        self._total = total
        self._block = block

    def __len__(self) -> int:
        return -(-self._total // self._block)

    def __getitem__(self, number: int) -> _Block:
        first = number * self._block
        samples = [self._load(i) for i in range(first, min(first + self._block, self._total))]
        good = [s.pixels.reshape(-1) for s in samples if isinstance(s, DecodedImage)]
        extents: list[tuple[int, int]] = []
        for sample in samples:
            if isinstance(sample, DecodedImage):
                extents.append((sample.pixels.shape[1], sample.pixels.shape[2]))
            else:
                extents.append((0, 0))
        return _Block(
            torch.cat(good) if good else torch.zeros(0, dtype=torch.uint8),
            extents,
            [s for s in samples if isinstance(s, Unreadable)],
        )


def decode_all(
    load: Load,
    total: int,
    image_bytes: float,
    limit: float,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> PixelStore | None:
    """Decode images 0 .. total-1; None as soon as they turn out to need more than ``limit``.

    Args:
        load: decodes one; goes to the workers.
        total: how many there are.
        image_bytes: roughly how large one is.
        limit: bytes that all may take.
        workers: processes that decode; 0 decodes in this one.
        progress: called with the images done and the images in all.
    """
    block = max(1, min(_MAX_BLOCK, int(_BLOCK_BYTES / max(1.0, image_bytes))))
    store = PixelStore(total, block)
    used = done = 0
    for part in _decoded(load, total, block, workers if total >= _WORTH_WORKERS else 0):
        store.append(part)
        used += len(part.pixels)
        done += len(part.extents)
        if used > limit:
            return None
        if progress is not None:
            progress(done, total)
    return store


def _decoded(load: Load, total: int, block: int, workers: int) -> Iterator[_Block]:
    loader: DataLoader[Any] = DataLoader(
        _Blocks(load, total, block), batch_size=None, num_workers=workers, collate_fn=_as_is
    )
    yield from loader


def _as_is(block: Any) -> Any:
    return block
