"""Arrays of different lengths in one buffer."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Ragged"]

T = TypeVar("T", bound=np.generic)


class Ragged(Generic[T]):
    """A list of arrays in a single buffer, whose memory worker processes share.

    Args:
        rows: one-dimensional arrays of one type.
        dtype: that type.
    """

    def __init__(self, rows: Iterable[npt.NDArray[T]], dtype: type[T]) -> None:
        listed = list(rows)
        self._values = np.concatenate([np.zeros(0, dtype), *listed])
        self._ends = np.cumsum([0, *(len(row) for row in listed)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> npt.NDArray[T]:
        return self._values[self._ends[index] : self._ends[index + 1]]
