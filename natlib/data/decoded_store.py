"""Decoded samples kept in memory: a few large blocks instead of many small tensors."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from natlib.data.base import Unreadable

__all__ = ["DecodedStore", "PreloadPlan", "SampleStore", "decode_all"]

# Bytes that a worker sends at once, few enough for a small /dev/shm.
_BLOCK_BYTES = 4 << 20
_MAX_BLOCK = 1024
# Fewer samples are decoded faster than workers start.
_WORTH_WORKERS = 2048

S = TypeVar("S")


class PreloadPlan(NamedTuple):
    """What is known of samples before they are decoded into memory.

    Attributes:
        total: how many samples there are; they are numbered from 0.
        sample_bytes: roughly how much memory one needs.
        limit: bytes that all of them may take.
        workers: processes that decode; 0 decodes in this one.
        progress: called with the samples done and the samples in all.
    """

    total: int
    sample_bytes: float
    limit: float
    workers: int
    progress: Callable[[int, int], None] | None


class SampleStore(Protocol):
    """Decoded samples in memory.

    Attributes:
        unreadable: the samples that could not be decoded.
    """

    unreadable: list[Unreadable]

    @property
    def readable(self) -> Tensor:
        """int64[u], the samples that could be decoded."""

    def __getitem__(self, index: int) -> Any:
        """What is kept of a sample that could be decoded."""


class _Block(NamedTuple):
    """Some consecutive samples: their values [t], the shape of each, and unreadable ones."""

    values: Tensor
    shapes: list[tuple[int, ...]]
    unreadable: list[Unreadable]


class DecodedStore:
    """Values of samples 0 .. n-1 by index; those of unreadable samples are empty.

    Args:
        total: n.
        rank: number of dimensions of a sample.
        block: number of samples in a block.
    """

    def __init__(self, total: int, rank: int, block: int) -> None:
        self.unreadable: list[Unreadable] = []
        self._block = block
        self._blocks: list[Tensor] = []
        self._shape = np.zeros((total, rank), np.int64)
        self._offset = np.zeros(total, np.int64)

    def append(
        self, values: Tensor, shapes: Sequence[tuple[int, ...]], unreadable: Sequence[Unreadable]
    ) -> None:
        """Add the next block.

        Args:
            values: [t], the concatenated values of its samples.
            shapes: the shape of each sample; zeros for an unreadable one.
            unreadable: the samples that could not be decoded.
        """
        first = len(self._blocks) * self._block
        rows = slice(first, first + len(shapes))
        self._shape[rows] = shapes
        lengths = self._shape[rows].prod(axis=1)
        self._offset[rows] = np.cumsum(lengths) - lengths
        # A copy, since what a worker sends is in shared memory, which keeps a file open.
        self._blocks.append(values.clone())
        self.unreadable += unreadable

    @property
    def readable(self) -> Tensor:
        """int64[u], the samples that could be decoded."""
        return torch.from_numpy(np.flatnonzero(self._shape.all(axis=1)))

    def __getitem__(self, index: int) -> Tensor:
        """The values of a sample, empty for an unreadable one; a view without a copy."""
        shape = self._shape[index].tolist()
        values = self._blocks[index // self._block]
        return values.narrow(0, int(self._offset[index]), math.prod(shape)).view(shape)


class _Blocks(Dataset[_Block], Generic[S]):
    def __init__(
        self,
        load: Callable[[int], S | Unreadable],
        values: Callable[[S], Tensor],
        total: int,
        rank: int,
        block: int,
    ) -> None:
        self._load = load
        self._values = values
        self._total = total
        self._nothing = (0,) * rank
        self._block = block

    def __len__(self) -> int:
        return -(-self._total // self._block)

    def __getitem__(self, number: int) -> _Block:
        first = number * self._block
        values: list[Tensor] = []
        shapes: list[tuple[int, ...]] = []
        unreadable: list[Unreadable] = []
        for index in range(first, min(first + self._block, self._total)):
            sample = self._load(index)
            if isinstance(sample, Unreadable):
                unreadable.append(sample)
                shapes.append(self._nothing)
            else:
                kept = self._values(sample)
                values.append(kept.reshape(-1))
                shapes.append(tuple(kept.shape))
        return _Block(torch.cat(values) if values else torch.zeros(0), shapes, unreadable)


def decode_all(
    load: Callable[[int], S | Unreadable],
    values: Callable[[S], Tensor],
    rank: int,
    plan: PreloadPlan,
) -> DecodedStore | None:
    """Decode all samples; None as soon as they turn out to need more than the plan allows.

    Args:
        load: decodes one sample; goes to the workers.
        values: what to keep of a sample: a tensor of this rank that is not empty.
        rank: how many dimensions it has.
        plan: how many samples there are, and what they may need.
    """
    block = max(1, min(_MAX_BLOCK, int(_BLOCK_BYTES / max(1.0, plan.sample_bytes))))
    store = DecodedStore(plan.total, rank, block)
    used = done = 0
    blocks: DataLoader[Any] = DataLoader(
        _Blocks(load, values, plan.total, rank, block),
        batch_size=None,
        num_workers=plan.workers if plan.total >= _WORTH_WORKERS else 0,
        collate_fn=_as_is,
    )
    for part in blocks:
        store.append(*part)
        used += part.values.nbytes
        done += len(part.shapes)
        if used > plan.limit:
            return None
        if plan.progress is not None:
            plan.progress(done, plan.total)
    return store


def _as_is(block: Any) -> Any:
    return block
