"""Tables as a source of vectors: CSV, TSV, JSON lines or parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from natlib.data import Split, encode_labels
from natlib.data.tables import column, open_table, split_rows
from natlib.errors import DataError, one_line
from natlib_vector.columns import Columns
from natlib_vector.source import Rows

__all__ = ["Table"]

# A column with more than this share of numbers is meant to hold numbers.
_NUMERIC = 0.5
# Texts that mean a missing value, in upper or lower case.
_MISSING = pa.array(["", "?", "na", "n/a", "nan", "null", "none"])


class Table:
    """Columns of numbers, and columns of text as categories.

    Args:
        path: the file.
        wanted: columns to use; by default all but those below.
        ignored: columns to leave out.
        label: the column of labels; by default ``label``, if there is such a column.
        split: the column that names the split; by default ``split``, if there is such a column.
        most: largest number of categories of a column.
        fitted: columns that were fitted on an earlier table; the same columns are read here, with
            the same types and categories.
    """

    def __init__(
        self,
        path: Path,
        wanted: Sequence[str] | None,
        ignored: Sequence[str],
        label: str | None,
        split: str | None,
        most: int,
        fitted: Columns | None,
    ) -> None:
        self.path = path
        self.wanted = wanted
        self.ignored = ignored
        self.label = label
        self.split = split
        self.most = most
        self.fitted = fitted

    def rows(self, split: Split, cache: Path | None = None) -> Rows | None:
        table = open_table(self.path, cache)
        every = table.column_names
        label = "label" if self.label is None and "label" in every else self.label
        by = "split" if self.split is None and "split" in every else self.split
        # Only the fitted columns of another table are read; ignored columns may be missing.
        left_out = () if self.fitted is not None else self.ignored
        names = [n for n in every if n not in (label, by, *left_out)]
        names = names if self.wanted is None else list(self.wanted)
        if self.fitted is not None:
            names = [c.name for c in self.fitted.columns]
        self._check(table, (by, label, *left_out, *names))
        splits = split_rows(table, by)
        if "train" not in splits:
            raise DataError(f"{self.path}: no row is for training; see its column '{by}'")
        if split not in splits:
            return None
        own = splits[split]
        if not names:
            raise DataError(f"{self.path} has no column but label and split; expected some numbers")
        matrix = np.empty((len(own), len(names)))
        categories: dict[str, tuple[str, ...]] = {}
        for number, name in enumerate(names):
            values = _plain(table.column(name))
            known = self._categories(name, values, splits["train"])
            if known is not None:
                categories[name] = known
            matrix[:, number] = self._numbers(name, values, known)[own]
        labels, classes = _labels(label, table)
        return Rows(matrix, names, categories, None if labels is None else labels[own], classes)

    def _check(self, table: pa.Table, names: Sequence[str | None]) -> None:
        """Refuse a table that lacks one of these columns; None is ignored."""
        for name in names:
            try:
                if name is not None:
                    column(table, name)
            except DataError as error:
                raise DataError(f"{self.path}: {error}") from error

    def _categories(
        self, name: str, values: pa.Array, train: npt.NDArray[np.int64]
    ) -> tuple[str, ...] | None:
        """The categories of a column in training rows; None for a column of numbers."""
        if self.fitted is not None:
            return next(c.categories for c in self.fitted.columns if c.name == name)
        if not _is_text(values.type):
            return None
        found = _text(values).take(pa.array(train)).unique().drop_null()
        if len(found) > self.most:
            odd = [text for text in found.to_pylist() if not _is_number(text)]
            if len(odd) < _NUMERIC * len(found):
                row = pc.index(_text(values), odd[0]).as_py()
                raise DataError(
                    f"{self.path}: column '{name}' holds numbers, but {odd[0]!r} in row {row}; "
                    "repair the file, or add the column to data.ignore"
                )
            raise DataError(
                f"{self.path}: column '{name}' holds {len(found):,} different texts, more than "
                f"data.max_categories = {self.most}; raise it, or add the column to data.ignore"
            )
        return tuple(sorted(found.to_pylist()))

    def _numbers(
        self, name: str, values: pa.Array, known: tuple[str, ...] | None
    ) -> npt.NDArray[np.float64]:
        if known is not None:
            # A category that training samples do not have counts as missing.
            codes = pc.index_in(_text(values), value_set=pa.array(known, pa.string()))
            return _float(codes)
        try:
            return _float(values)
        except pa.ArrowException as error:
            raise DataError(
                f"{self.path}: column '{name}' is {values.type}, expected numbers or text; "
                "convert it, or add it to data.ignore"
            ) from error


def _plain(values: pa.ChunkedArray) -> pa.Array:
    array = values.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _text(values: pa.Array) -> pa.Array:
    """The values as trimmed text; null for missing values."""
    try:
        trimmed = pc.utf8_trim_whitespace(values.cast(pa.string()))
    except pa.ArrowException as error:
        raise DataError(f"a column cannot be read as text: {one_line(error)}") from error
    nothing = pc.is_in(pc.utf8_lower(trimmed), value_set=_MISSING)
    return pc.if_else(nothing, pa.scalar(None, pa.string()), trimmed)


def _float(values: pa.Array) -> npt.NDArray[np.float64]:
    """As float64, NaN for null."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    found: npt.NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy(
        zero_copy_only=False
    )
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(name: str | None, table: pa.Table) -> tuple[Tensor | None, list[str]]:
    if name is None:
        return None, []
    values: Any = _plain(table.column(name))
    if pa.types.is_floating(values.type):
        numbers = _float(values)
        if (numbers[~np.isnan(numbers)] % 1 != 0).any():
            raise DataError(
                f"the labels in column '{name}' are fractions; expected whole numbers or text "
                "(they serve evaluation only: leave data.label out to go without)"
            )
        values = pa.array(np.where(np.isnan(numbers), -1, numbers).astype(np.int64))
    if pa.types.is_integer(values.type):
        encoded, classes = encode_labels(pc.fill_null(values.cast(pa.int64()), -1).to_numpy())
        return encoded[0], classes
    # Numbered in the order of their texts; -1 for missing ones.
    text = _text(values)
    known = sorted(text.unique().drop_null().to_pylist())
    codes = pc.index_in(text, value_set=pa.array(known, pa.string()))
    encoded, _ = encode_labels(pc.fill_null(codes, -1).to_numpy().astype(np.int64))
    return encoded[0], known
