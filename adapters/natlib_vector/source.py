"""What a source of vectors offers."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt
from torch import Tensor

from natlib.data import Split
from natlib.data.table_format import TableFormat

__all__ = ["Rows", "Source"]


class Rows(NamedTuple):
    """The rows of a split.

    Attributes:
        matrix: [n, c], numbers of any type; a category is its number, a missing value is NaN.
        names: name of each column.
        categories: the categories of the columns that have some.
        labels: int64[n], -1 for a row without a label; None if no row has one.
        classes: names of the labels.
        left_out: columns that are no inputs: positions of those that count rows.
        notes: what was guessed or left out, a line each (see :func:`natlib.data.notes_of`).
        form: how a table is written.
    """

    matrix: npt.NDArray[Any]
    names: list[str]
    categories: dict[str, tuple[str, ...]]
    labels: Tensor | None
    classes: list[str]
    left_out: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    form: TableFormat | None = None


class Source(Protocol):
    """Rows of up to three splits; ``train`` is always one of them."""

    def rows(self, split: Split, cache: Path | None = None) -> Rows | None:
        """The rows of a split; None if the source has no such split.

        Raises:
            DataError: the source cannot be read.
        """
