"""Several sample sets as one, with labels of their own."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from natlib.data.base import SampleSet, Unreadable
from natlib.data.notes import notes_of
from natlib.errors import DataError

__all__ = ["ConcatenatedSamples"]


class ConcatenatedSamples:
    """Samples of several sets, one set after the other (see :class:`natlib.data.SampleSet`).

    Args:
        parts: the sets, of one modality.
        labels: int64[n] of all samples together, -1 where a sample has none.
        classes: what the labels stand for.
        shown_from: index of the first sample whose label may be shown to training.
        notes: what there is to say about the labels, a line each.
    """

    def __init__(
        self,
        parts: Sequence[SampleSet],
        labels: Tensor,
        classes: list[str],
        shown_from: int = 0,
        notes: Sequence[str] = (),
    ) -> None:
        self.shown_from = shown_from
        self._notes = list(notes)
        self._parts = list(parts)
        self._first = [0, *accumulate(len(part) for part in parts)]
        self.names: Sequence[str] = _ConcatenatedNames([part.names for part in parts])
        self.labels: Tensor | None = labels
        self.classes = classes
        self.usable, self.unreadable, self.in_memory = self._known()

    @property
    def notes(self) -> list[str]:
        """What there is to say about all sets and their labels."""
        return [*(note for part in self._parts for note in notes_of(part)), *self._notes]

    def __len__(self) -> int:
        return self._first[-1]

    def __getitem__(self, index: int) -> Any:
        """A sample of a part, with its index in this set.

        Raises:
            DataError: the sample is not a dataclass with a field ``index``.
        """
        part = _part_of(self._first, index)
        sample = self._parts[part][index - self._first[part]]
        if not self._first[part]:
            return sample
        if is_dataclass(sample) and not isinstance(sample, type) and hasattr(sample, "index"):
            return replace(sample, index=index)
        raise DataError(
            f"samples of the type {type(sample).__name__} cannot be combined with those of another "
            "source (labels.source), as they have no field 'index'; make them a dataclass with one"
        )

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """See :meth:`natlib.data.SampleSet.preload`."""
        for part, first in zip(self._parts, self._first, strict=False):

            def told(done: int, _total: int, before: int = first) -> None:
                if progress is not None:
                    progress(before + done, len(self))

            part.preload(workers, told)
        self.usable, self.unreadable, self.in_memory = self._known()

    def fingerprint(self) -> str:
        """See :meth:`natlib.data.SampleSet.fingerprint`."""
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(part.fingerprint().encode())
        if self.labels is not None:
            digest.update(self.labels.numpy().tobytes())
        digest.update("\0".join(self.classes).encode())
        return digest.hexdigest()

    def _known(self) -> tuple[Tensor, list[Unreadable], bool]:
        """Usable and unreadable samples of all parts, and whether all are in memory."""
        pairs = list(zip(self._parts, self._first, strict=False))
        return (
            torch.cat([part.usable.cpu() + first for part, first in pairs]),
            [
                Unreadable(bad.index + first, bad.reason)
                for part, first in pairs
                for bad in part.unreadable
            ],
            all(part.in_memory for part in self._parts),
        )


class _ConcatenatedNames(Sequence[str]):
    """Names of several sets, one after the other, without a copy."""

    def __init__(self, parts: list[Sequence[str]]) -> None:
        self._parts = parts
        self._first = [0, *accumulate(len(part) for part in parts)]

    def __len__(self) -> int:
        return self._first[-1]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"name {index} of {len(self)}")
        part = _part_of(self._first, position)
        return self._parts[part][position - self._first[part]]


def _part_of(first: list[int], index: int) -> int:
    """Which part holds a sample; parts are few."""
    return sum(begin <= index for begin in first[1:-1])
