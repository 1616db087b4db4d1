"""Tables as a source of vectors: CSV, TSV, JSON lines or parquet files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import Tensor

from natlib.component import nearest
from natlib.data import Split
from natlib.data.table_format import TableFormat
from natlib.data.table_labels import table_labels
from natlib.data.table_names import is_index_name, table_format
from natlib.data.table_values import one_array
from natlib.data.tables import check_column, open_table, split_rows, table_about
from natlib.errors import DataError
from natlib_vector.column_types import TableColumn
from natlib_vector.columns import Columns
from natlib_vector.row_numbers import counts_rows, may_name_rows
from natlib_vector.source import Rows
from natlib_vector.table_settings import TableSettings

__all__ = ["Table"]

# Columns that are named in a note.
_NAMED = 12


class Table:
    """Columns of numbers, and columns of text as categories.

    Args:
        path: the file.
        settings: what is known about it.
        fitted: columns that were fitted on an earlier table; the same columns are read here, with
            the same types and categories.
    """

    def __init__(self, path: Path, settings: TableSettings, fitted: Columns | None) -> None:
        self.path = path
        self.settings = settings
        self.fitted = fitted

    def rows(self, split: Split, cache: Path | None = None) -> Rows | None:
        settings, fitted = self.settings, self.fitted
        text = settings.categorical
        if fitted is not None:
            text = [c.name for c in fitted.columns if c.categories is not None]
        table = open_table(self.path, cache, settings.form, text)
        form, notes = table_about(table)
        every = table.column_names
        kept = set(every) - set(settings.ignored)
        label = "label" if settings.label is None and "label" in kept else settings.label
        by = "split" if settings.split is None and "split" in kept else settings.split
        others = [name for name in every if name not in (label, by, *settings.ignored)]
        self._check(every, [by, label], others)
        splits = split_rows(table, by)
        if "train" not in splits:
            raise DataError(f"{self.path}: no row is for training; see its column '{by}'")
        if split not in splits:
            return None
        counting = [n for n in others if every.count(n) == 1 and self._counts_rows(table, n)]
        if fitted is not None:
            names = [c.name for c in fitted.columns]
        elif settings.wanted is not None:
            names = list(settings.wanted)
        else:
            names = [name for name in others if name not in counting]
        if not names:
            raise DataError(self._nothing(counting))
        own = splits[split]
        matrix = np.empty((len(own), len(names)))
        categories: dict[str, tuple[str, ...]] = {}
        for number, name in enumerate(names):
            if name in every:
                found = one_array(table.column(name))
            else:
                found = pa.nulls(len(table))
                notes.append(
                    f"{self.path}: no row has '{name}', so it is missing in all; "
                    f"{nearest(name, every)}"
                )
            values = TableColumn(self.path, name, found, form, settings)
            known = (
                values.fit(splits["train"]) if fitted is None else fitted.columns[number].categories
            )
            if known is not None:
                categories[name] = known
            matrix[:, number], more = values.numbers(known, own)
            notes += more
            if known is None and may_name_rows(name, matrix[:, number]):
                notes.append(
                    f"{self.path}: column '{name}' is different in every row; if it names rows, "
                    "add it to data.ignore"
                )
        if split == "train":
            unused = [name for name in others if name not in names]
            notes += self._said(names, categories, matrix, unused, counting)
        labels, classes, more = self._labels(table, label, form)
        return Rows(
            matrix, names, categories, None if labels is None else labels[own], classes,
            notes=(*notes, *more), form=form,
        )  # fmt: skip

    def _check(self, every: list[str], roles: list[str | None], others: list[str]) -> None:
        """Refuse a table that lacks a column; None is ignored."""
        settings = self.settings
        asked = [name for name in roles if name is not None]
        if self.fitted is not None:
            # Only these are read of another table; ignored columns may be missing.
            fitted = [c.name for c in self.fitted.columns]
            if "json" in str(table_format(self.path)) and set(fitted) & set(every):
                # What an object does not name is missing, in other rows or in all.
                fitted = [name for name in fitted if name in every]
            asked += fitted
        else:
            wanted = others if settings.wanted is None else settings.wanted
            typed = [*settings.categorical, *settings.numerical]
            asked += [*settings.ignored, *wanted, *typed]
        try:
            for name in asked:
                check_column(every, name)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error
        if self.fitted is None:
            for name in typed:
                if name not in wanted:
                    raise DataError(
                        f"{self.path}: column '{name}' is no input, so it has no type; remove it "
                        "from data.categorical or data.numerical"
                    )

    def _counts_rows(self, table: pa.Table, name: str) -> bool:
        if name in (*self.settings.categorical, *self.settings.numerical):
            return False
        if is_index_name(name):
            return True
        values = table.column(name)
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            return False
        if values.null_count:
            return False
        return counts_rows(name, values.cast(pa.float64(), safe=False).to_numpy())

    def _nothing(self, counting: list[str]) -> str:
        if counting:
            return (
                f"{self.path} has no column left: '{counting[0]}' counts rows; list it in "
                "data.columns if it is an input nevertheless"
            )
        return f"{self.path} has no column but label and split; expected some numbers"

    def _labels(
        self, table: pa.Table, label: str | None, form: TableFormat
    ) -> tuple[Tensor | None, list[str], list[str]]:
        if label is None:
            return None, [], []
        where = f"{self.path}: column '{label}'"
        try:
            return table_labels(table.column(label), form.missing_texts, where)
        except DataError as error:
            raise DataError(f"{error}; to go without, add it to data.ignore") from error

    def _said(
        self,
        names: list[str],
        categories: dict[str, tuple[str, ...]],
        matrix: npt.NDArray[np.float64],
        unused: list[str],
        counting: list[str],
    ) -> list[str]:
        """What the columns were taken for."""
        gaps = dict(zip(names, np.isnan(matrix).sum(0).tolist(), strict=True))
        numbers = [
            _with(n, gaps[n] and f"{gaps[n]:,} missing") for n in names if n not in categories
        ]
        texts = [
            _with(name, f"{len(known)} values", gaps[name] and f"{gaps[name]:,} missing")
            for name, known in categories.items()
        ]
        parts = [f"numbers are {_listed(numbers)}"] if numbers else []
        parts += [f"categories are {_listed(texts)}"] if texts else []
        said = [f"{self.path}: {'; '.join(parts)}"]
        for name in counting:
            if name in unused:
                said.append(
                    f"{self.path}: column '{name}' counts rows, so it is no input (list it in "
                    "data.columns if it is one)"
                )
        rest = [name for name in unused if name not in counting]
        if rest:
            said.append(f"{self.path}: these columns are no inputs: {_listed(rest)}")
        return said


def _with(name: str, *remarks: str | int) -> str:
    kept = [str(remark) for remark in remarks if remark]
    return f"{name} ({', '.join(kept)})" if kept else name


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
