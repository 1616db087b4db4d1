"""Rows of a matrix as samples."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data import Unreadable, check_unreadable
from natlib.data.files import ChosenNames, NumberedNames
from natlib_vector.columns import sound_rows

__all__ = ["Row", "VectorSet"]


@dataclass(frozen=True)
class Row:
    """A sample.

    Attributes:
        index: its stable index.
        values: float64[c]; a category is a number, what is missing is NaN.
    """

    index: int
    values: npt.NDArray[np.float64]


class VectorSet:
    """Rows of a matrix, in memory or mapped (see :class:`natlib.data.SampleSet`).

    Args:
        matrix: [n, c], numbers of any type.
        labels: int64[n], -1 where there is none; or None.
        classes: what the labels stand for.
        prefix: what names begin with.
        chosen: int64[m], sorted: use only these rows; all by default.
    """

    def __init__(
        self,
        matrix: npt.NDArray[Any],
        labels: Tensor | None,
        classes: list[str],
        prefix: str,
        chosen: Tensor | None = None,
    ) -> None:
        self.names: Sequence[str] = NumberedNames(prefix, len(matrix))
        if chosen is not None:
            self.names = ChosenNames(self.names, chosen.numpy())
            matrix = matrix[chosen.numpy()]
            labels = None if labels is None else labels[chosen]
        self.matrix = matrix
        self.labels = labels
        self.classes = classes
        self.usable = torch.arange(len(matrix))
        self.unreadable: list[Unreadable] = []
        # Whoever maps a file reads it faster than a worker process could pass it on.
        self.in_memory = True

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, index: int) -> Row | Unreadable:
        values = np.asarray(self.matrix[index], dtype=np.float64)
        if not sound_rows(values[None])[0]:
            return Unreadable(index, "infinite" if np.isinf(values).any() else "all missing")
        return Row(index, values)

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """Look for rows that cannot be used; see :meth:`natlib.data.SampleSet.preload`.

        Raises:
            DataError: they are more than 5 % of all.
        """
        sound = sound_rows(self.matrix)
        found = (self[int(index)] for index in np.flatnonzero(~sound))
        self.unreadable = [bad for bad in found if isinstance(bad, Unreadable)]
        check_unreadable(self.unreadable, self.names, "rows")
        self.usable = torch.from_numpy(np.flatnonzero(sound))
        if progress is not None:
            progress(len(self), len(self))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(str((self.matrix.dtype, self.matrix.shape)).encode())
        digest.update(np.ascontiguousarray(self.matrix).data)
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        return digest.hexdigest()
