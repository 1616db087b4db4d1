"""Rows of an array as samples: the sample set of data that fit into one array."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data.base import Batch, Unreadable
from natlib.data.files import ChosenNames, NumberedNames
from natlib.data.reading import check_unreadable
from natlib.errors import DataError

__all__ = ["ArraySample", "ArraySamples", "all_finite", "collate_arrays"]

Array = npt.NDArray[Any]

# Rows that are checked together, so that a mapped file is never in memory as a whole.
_BLOCK = 65_536


@dataclass(frozen=True)
class ArraySample:
    """A row of an array.

    Attributes:
        index: the stable index of the sample.
        values: the row; must not be changed.
    """

    index: int
    values: Array


def all_finite(rows: Array) -> npt.NDArray[np.bool_]:
    """bool[n]: the rows [n, ...] that hold neither NaN nor infinity."""
    return np.asarray(np.isfinite(rows.reshape(len(rows), -1)).all(1))


def collate_arrays(samples: Sequence[ArraySample | Unreadable]) -> Batch:
    """Stack rows of one shape: a batch with the tensor ``values`` [b, ...].

    If all samples are unreadable, ``values`` is empty and has one dimension.
    """
    good = [sample for sample in samples if isinstance(sample, ArraySample)]
    values = np.stack([sample.values for sample in good]) if good else np.empty(0)
    return Batch(
        torch.tensor([sample.index for sample in good], dtype=torch.int64),
        {"values": torch.from_numpy(values)},
        [sample for sample in samples if isinstance(sample, Unreadable)],
    )


class ArraySamples:
    """Rows of an array, in memory or mapped from a file (see :class:`natlib.data.SampleSet`).

    A sample is an :class:`ArraySample`, or :class:`natlib.data.Unreadable` where its row is not
    sound.

    Args:
        array: [n, ...].
        labels: int64[n], -1 where a sample has none; or None.
        classes: what the labels stand for.
        prefix: prefix of the names of samples.
        chosen: int64[m], sorted: use only these rows; all by default.
        sound: maps rows [n, ...] to bool[n], the rows that are usable.
        reason: what is wrong with the other rows.

    Raises:
        DataError: there are more or fewer labels than rows.
    """

    def __init__(
        self,
        array: Array,
        labels: Tensor | None = None,
        classes: Sequence[str] = (),
        *,
        prefix: str = "sample",
        chosen: Tensor | None = None,
        sound: Callable[[Array], npt.NDArray[np.bool_]] = all_finite,
        reason: str = "it holds NaN or infinity",
    ) -> None:
        if labels is not None and labels.shape != (len(array),):
            raise DataError(
                f"there are {len(array)} samples and labels {list(labels.shape)}; "
                "give one label for each sample, -1 where there is none"
            )
        self.names: Sequence[str] = NumberedNames(prefix, len(array))
        if chosen is not None:
            self.names = ChosenNames(self.names, chosen.numpy())
            array = array[chosen.numpy()]
            labels = None if labels is None else labels[chosen]
        self.array = array
        self.labels = labels
        self.classes = list(classes)
        self.usable = torch.arange(len(array))
        self.unreadable: list[Unreadable] = []
        self.notes: list[str] = []
        # Reading a mapped file is faster than receiving it from a worker process.
        self.in_memory = True
        self._sound = sound
        self._reason = reason

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> ArraySample | Unreadable:
        values = np.asarray(self.array[index])
        if not self._sound(values[None])[0]:
            return Unreadable(index, self._reason)
        return ArraySample(index, values)

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """Find unusable rows; see :meth:`natlib.data.SampleSet.preload`.

        Raises:
            DataError: more than 5 % of all rows are unusable.
        """
        parts = []
        for done, block in enumerate(self._blocks(), start=1):
            parts.append(self._sound(block))
            if progress is not None:
                progress(min(done * _BLOCK, len(self)), len(self))
        sound = np.concatenate(parts) if parts else np.zeros(0, dtype=np.bool_)
        bad = np.flatnonzero(~sound).tolist()
        self.unreadable = [Unreadable(index, self._reason) for index in bad]
        check_unreadable(self.unreadable, self.names, "samples")
        self.usable = torch.from_numpy(np.flatnonzero(sound))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(str((self.array.dtype, self.array.shape)).encode())
        for block in self._blocks():
            digest.update(np.ascontiguousarray(block).data)
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        return digest.hexdigest()

    def _blocks(self) -> Iterator[Array]:
        for start in range(0, len(self), _BLOCK):
            yield np.asarray(self.array[start : start + _BLOCK])
