"""What a source of vectors offers."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt
from torch import Tensor

from natlib.data import Split

__all__ = ["Rows", "Source"]


class Rows(NamedTuple):
    """The rows of a split.

    Attributes:
        matrix: [n, c], numbers of any type; a category is its number, what is missing is NaN.
        names: name of each column.
        categories: of the columns that hold categories, what there is.
        labels: int64[n], -1 where there is none; None if nothing has a label.
        classes: what the labels stand for.
    """

    matrix: npt.NDArray[Any]
    names: list[str]
    categories: dict[str, tuple[str, ...]]
    labels: Tensor | None
    classes: list[str]


class Source(Protocol):
    """Rows of up to three splits; ``train`` is always one of them."""

    def rows(self, split: Split, cache: Path | None = None) -> Rows | None:
        """The rows of a split; None if the source has no such split.

        Raises:
            DataError: the source cannot be read.
        """
