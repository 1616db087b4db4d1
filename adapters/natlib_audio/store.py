"""Decoded clips kept in memory: a few large blocks instead of many small tensors."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from natlib.data import Unreadable
from natlib_audio.decoding import Clip

__all__ = ["ClipStore", "decode_all"]

# Bytes that a worker hands over at once: little enough for a small /dev/shm.
_BLOCK_BYTES = 4 << 20
_MAX_BLOCK = 1024
# Fewer clips than this are decoded before workers would have started.
_WORTH_WORKERS = 2048

Load = Callable[[int], Clip | Unreadable]


class _Block(NamedTuple):
    """Some consecutive clips: float32[t] values, how many each has, and what failed."""

    values: Tensor
    lengths: list[int]
    unreadable: list[Unreadable]


class ClipStore:
    """Waves of clips 0 .. n-1 by index; clips that could not be decoded have none.

    Args:
        total: n.
        block: how many clips are in one block.
    """

    def __init__(self, total: int, block: int) -> None:
        self.unreadable: list[Unreadable] = []
        self._block = block
        self._blocks: list[Tensor] = []
        self._length = np.zeros(total, np.int64)
        self._offset = np.zeros(total, np.int64)

    def append(self, block: _Block) -> None:
        """Take the next block."""
        first = len(self._blocks) * self._block
        rows = slice(first, first + len(block.lengths))
        lengths = np.array(block.lengths, np.int64)
        self._length[rows] = lengths
        self._offset[rows] = np.cumsum(lengths) - lengths
        # A copy, since what a worker sends lies in shared memory and holds a file open.
        self._blocks.append(block.values.clone())
        self.unreadable += block.unreadable

    @property
    def readable(self) -> Tensor:
        """int64[u], which clips have a wave."""
        return torch.from_numpy(np.flatnonzero(self._length))

    def __getitem__(self, index: int) -> Tensor:
        """float32[t]; a view, nothing is copied."""
        return self._blocks[index // self._block].narrow(
            0, int(self._offset[index]), int(self._length[index])
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
        waves = [sample.wave for sample in samples if isinstance(sample, Clip)]
        return _Block(
            torch.cat(waves) if waves else torch.zeros(0),
            [len(s.wave) if isinstance(s, Clip) else 0 for s in samples],
            [s for s in samples if isinstance(s, Unreadable)],
        )


def decode_all(
    load: Load,
    total: int,
    clip_bytes: float,
    limit: float,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> ClipStore | None:
    """Decode clips 0 .. total-1; None as soon as they turn out to need more than ``limit``.

    Args:
        load: decodes one, at the rate at which all are kept; goes to the workers.
        total: how many there are.
        clip_bytes: roughly how large one is.
        limit: bytes that all may take.
        workers: processes that decode; 0 decodes in this one.
        progress: called with the clips done and the clips in all.
    """
    block = max(1, min(_MAX_BLOCK, int(_BLOCK_BYTES / max(1.0, clip_bytes))))
    store = ClipStore(total, block)
    used = done = 0
    for part in _decoded(load, total, block, workers if total >= _WORTH_WORKERS else 0):
        store.append(part)
        used += part.values.nbytes
        done += len(part.lengths)
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
