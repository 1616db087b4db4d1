"""Tables with a column of texts, as a source."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from natlib.component import nearest
from natlib.data import Source, Split
from natlib.data.files import ChosenNames, NumberedNames
from natlib.data.table_format import TableFormat
from natlib.data.table_labels import table_labels
from natlib.data.table_names import is_index_name
from natlib.data.tables import column, column_names, open_table, split_rows, table_about
from natlib.errors import DataError
from natlib_text.sources.digests import digest_of, excerpts

__all__ = ["TableTexts", "TextTable"]

Rows = npt.NDArray[np.int64]


class TableTexts:
    """Some rows of a table.

    Args:
        name: name of the file.
        texts: the column of texts.
        rows: int64[m], the rows.
        labels: int64[n] of all rows, or None.
        classes: names of the labels.
        notes: what was guessed about the table, a line each.
    """

    def __init__(
        self,
        name: str,
        texts: pa.ChunkedArray,
        rows: Rows,
        labels: Tensor | None,
        classes: list[str],
        notes: Sequence[str] = (),
    ) -> None:
        self._texts = texts
        self._rows = rows
        self.names: Sequence[str] = ChosenNames(NumberedNames(name, len(texts)), rows)
        self.labels = None if labels is None else labels[torch.from_numpy(rows)]
        self.classes = classes
        self.notes = list(notes)

    def __len__(self) -> int:
        return len(self._rows)

    def item(self, index: int) -> memoryview:
        # A view of the mapped file, so that only the beginning of a huge value is read.
        content = self._texts[int(self._rows[index])].as_buffer()
        return memoryview(b"" if content is None else content)

    def digest(self) -> bytes:
        return digest_of([self._rows.tobytes(), *excerpts(self)])


class TextTable(Source):
    """A table in a file; see :func:`natlib.data.tables.open_table` for what can be read.

    Args:
        path: the file.
        text: the column with the texts; by default ``text``, or the only one there is.
        label: the column with the labels; by default ``label`` if there is one.
        split: the column that names the split of each row; by default ``split`` if there is one.
        form: how the file is written; what is not set is found from the file.

    Attributes:
        text: the column with the texts.
        label: the column with the labels, or None.
        split_column: the column with the splits, or None.

    Raises:
        DataError: the file cannot be read, or a column is not there.
    """

    def __init__(
        self,
        path: Path,
        text: str | None,
        label: str | None,
        split: str | None,
        form: TableFormat | None = None,
    ) -> None:
        names = column_names(path, form)
        self._path = path
        self._form = form
        self.text = self._chosen(names, text, "column") or self._only(names)
        self.label = self._chosen(names, label, "label")
        self.split_column = self._chosen(names, split, "split")

    def split(self, split: Split, cache: Path | None = None) -> TableTexts | None:
        # A text may look like a number.
        table = open_table(self._path, cache, self._form, [self.text])
        form, notes = table_about(table)
        texts = column(table, self.text)
        if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
            raise DataError(
                f"the column '{self.text}' of {self._path} holds {texts.type}; expected text, "
                "name another column (data.column)"
            )
        splits = split_rows(table, self.split_column)
        if "train" not in splits:
            raise DataError(
                f"no row of {self._path} has '{self.split_column}' train; mark some, "
                "or name another column (data.split)"
            )
        if split not in splits:
            return None
        labels: Tensor | None = None
        classes: list[str] = []
        if self.label is not None:
            where = f"{self._path}: column '{self.label}'"
            values = column(table, self.label)
            labels, classes, more = table_labels(values, form.missing_texts, where)
            notes += more
        if self.text != "text":
            notes.append(f"{self._path}: texts are in column '{self.text}' (data.column)")
        return TableTexts(self._path.name, texts, splits[split], labels, classes, notes)

    def _chosen(self, names: list[str], asked: str | None, key: str) -> str | None:
        default = "text" if key == "column" else key
        if asked is None:
            return default if default in names else None
        if asked not in names:
            raise DataError(
                f"{self._path} has no column '{asked}' (data.{key}); {nearest(asked, names)}"
            )
        return asked

    def _only(self, names: list[str]) -> str:
        others = [name for name in names if not is_index_name(name)]
        if len(others) == 1:
            return others[0]
        raise DataError(
            f"{self._path} has no column 'text'; name the one with the texts "
            f"(data.column), one of: {', '.join(names)}"
        )
