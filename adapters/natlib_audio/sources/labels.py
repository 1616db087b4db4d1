"""A folder of sounds with a table of labels beside it."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from natlib.data import Split
from natlib.data.files import ChosenNames, Folder, NameLookup, cached_scan, left_out_notes
from natlib.data.table_format import TableFormat
from natlib.data.table_labels import table_labels
from natlib.data.table_values import names_in
from natlib.data.tables import column, open_table, split_rows, table_about
from natlib.errors import DataError
from natlib_audio.decoding import UNAVAILABLE

__all__ = ["LabelledFiles", "LabelledFolder"]

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_NEAREST_OF = 1_000


class LabelledFiles:
    """Files under a folder, with labels from a table.

    Args:
        root: the folder.
        names: of the files, relative to it.
        labels: int64[n], -1 where the table has none.
        classes: what the labels stand for.
        notes: what was left out, a line each.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        labels: Tensor,
        classes: list[str],
        notes: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.names = names
        self.labels: Tensor | None = labels
        self.classes = classes
        self.notes = notes

    def __len__(self) -> int:
        return len(self.names)

    def item(self, index: int) -> Path:
        """The path of a file."""
        return self.root / self.names[index]

    def digest(self) -> bytes:
        """Of the names: equal if and only if the same files are there."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        return digest.digest()


class LabelledFolder:
    """A folder of sounds, recursively, whose labels are in a table.

    The table has the columns ``file`` (a path, relative to the folder), ``label``, and, if it
    is to say so, ``split``; files that it does not name have no label and are for training.
    Without a column ``split``, the sub-folders ``train``, ``val`` and ``test`` are the splits.

    Args:
        root: the folder.
        table: the table, a CSV file for example.
        extensions: how the names of files that count end, without the dot.
        form: how the table is written; what is not set is found from the file.
    """

    def __init__(
        self,
        root: Path,
        table: Path,
        extensions: Sequence[str],
        form: TableFormat | None = None,
    ) -> None:
        self.root = root
        self.table = table
        self._form = form
        self._folder = Folder(root, extensions, "sounds")

    def split(self, split: Split, cache: Path | None = None) -> LabelledFiles | None:
        """The files of a split; None if there is no such split.

        Raises:
            DataError: folder or table cannot be read, or the table names unknown files.
        """
        index = cached_scan(self.root, cache, self._folder.extensions)
        names = index.names
        if not len(names):
            self._folder.peek(1)  # says what was expected
        # The name of a file may look like a number.
        table = open_table(self.table, cache, self._form, ["file"])
        rows = self._rows(table, names)
        labels = torch.full((len(names),), -1)
        encoded, classes, guessed = self._encoded(table)
        labels[torch.from_numpy(rows)] = encoded
        found = self._places(table, rows, names, cache)[_SPLITS.index(split)]
        if not len(found):
            if split != "train":
                return None
            raise DataError(f"{self.table}: no file is for training; see its column 'split'")
        own = labels[torch.from_numpy(found)]
        notes = []
        if split == "train":
            notes = left_out_notes(index.left_out, str(self.root), "sounds", UNAVAILABLE) + guessed
            unnamed = len(names) - len(rows)
            if unnamed:
                notes.append(
                    f"{unnamed:,} of {len(names):,} sounds are not in {self.table}, and so have no "
                    "label"
                )
        return LabelledFiles(self.root, ChosenNames(names, found), own, classes, notes)

    def peek(self, count: int) -> Sequence[Any]:
        """Up to ``count`` files, without reading the whole folder.

        Raises:
            DataError: the folder cannot be read, or holds no sounds.
        """
        return self._folder.peek(count)

    def _rows(self, table: pa.Table, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Which file each row of the table is about."""
        try:
            given = [str(Path(name)) for name in names_in(column(table, "file"))]
            lookup = NameLookup(names)
            found = [lookup.get(name) for name in given]
            unknown = [name for name, row in zip(given, found, strict=True) if row is None]
            if unknown:
                near = difflib.get_close_matches(unknown[0], islice(names, _NEAREST_OF), n=1)
                hint = f"did you mean '{near[0]}'?" if near else "give paths inside that folder"
                raise DataError(
                    f"it names {len(unknown):,} files that are not in {self.root}, the first is "
                    f"'{unknown[0]}'; {hint}"
                )
            twice = [row for row, times in Counter(found).items() if times > 1]
            if twice:
                raise DataError(f"it names '{names[twice[0] or 0]}' twice; give each file one row")
        except DataError as error:
            raise DataError(f"{self.table}: {error}") from error
        return np.array(found, dtype=np.int64)

    def _encoded(self, table: pa.Table) -> tuple[Tensor, list[str], list[str]]:
        try:
            values = column(table, "label")
        except DataError as error:
            raise DataError(f"{self.table}: {error}") from error
        form, notes = table_about(table)
        where = f"{self.table}: column 'label'"
        labels, classes, more = table_labels(values, form.missing_texts, where)
        return labels, classes, [*notes, *more]

    def _places(
        self,
        table: pa.Table,
        rows: npt.NDArray[np.int64],
        names: Sequence[str],
        cache: Path | None,
    ) -> list[npt.NDArray[np.int64]]:
        """The files of each split, sorted."""
        if "split" in table.column_names:
            splits = split_rows(table, "split")
            chosen = [np.sort(rows[splits[s]]) if s in splits else rows[:0] for s in _SPLITS]
            unnamed = np.setdiff1d(np.arange(len(names)), rows)
            return [np.union1d(chosen[0], unnamed), *chosen[1:]]
        found = []
        for split in _SPLITS:
            files = self._folder.split(split, cache)
            if files is None:
                found.append(rows[:0])
                continue
            inside = "" if files.root == self.root else f"{files.root.relative_to(self.root)}/"
            own = [row for row, name in enumerate(names) if name.startswith(inside)]
            found.append(np.array(own, dtype=np.int64))
        return found
