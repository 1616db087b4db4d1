"""A folder of files as samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from natlib.data.files.class_folders import label_files, number_classes
from natlib.data.files.index import (
    FolderIndex,
    first_files,
    holds_files,
    scan,
    visible_folders,
)
from natlib.data.files.index_cache import cached_scan
from natlib.data.files.layout import Layout, find_layout
from natlib.data.files.left_out import left_out_notes
from natlib.data.splits import Split
from natlib.errors import DataError

__all__ = ["Folder", "FolderFiles"]


class FolderFiles:
    """The files under a folder; class folders, where there are any, are the labels.

    Args:
        root: the folder.
        index: what is in it.
        labels: int64[n], -1 where a file has none; None to go without labels.
        classes: what the labels stand for.
        notes: what was left out or guessed, a line each.
    """

    def __init__(
        self,
        root: Path,
        index: FolderIndex,
        labels: Tensor | None,
        classes: list[str],
        notes: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.names: Sequence[str] = index.names
        self._digest = index.digest()
        self.labels = labels
        self.classes = classes
        self.notes = notes

    def __len__(self) -> int:
        return len(self.names)

    def item(self, index: int) -> Path:
        """The path of a file."""
        return self.root / self.names[index]

    def digest(self) -> bytes:
        """Of the names: equal if and only if the same files are there."""
        return self._digest


class Folder:
    """A folder of files, recursively.

    A folder with a sub-folder ``train`` is split into ``train``, ``val`` and ``test``, or what
    else :data:`natlib.data.splits.SPLIT_NAMES` calls them; otherwise all of it is ``train``. See
    :func:`natlib.data.files.layout.find_layout` for what lies beside or around them, and
    :mod:`natlib.data.files.class_folders` for the folders under them.

    Args:
        root: the folder.
        extensions: how the names of files that count end, without the dot.
        what: what the files are called in messages, in the plural (``images``).
        unavailable: extensions of such files that cannot be read here, and what they need.
        notes: what else to say about the training split.
    """

    def __init__(
        self,
        root: Path,
        extensions: Sequence[str],
        what: str,
        unavailable: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.extensions = extensions
        self.what = what
        self.unavailable = unavailable or {}
        self._notes = notes
        self._found: Layout | None = None

    @property
    def layout(self) -> Layout:
        """Where the splits are.

        Raises:
            DataError: the folder cannot be read.
        """
        if self._found is None:
            self._found = find_layout(self.root, self.extensions, self.what)
        return self._found

    def split(self, split: Split, cache: Path | None = None) -> FolderFiles | None:
        """The files of a split; None if there is no such split.

        Raises:
            DataError: the folder cannot be read, or holds no such files.
        """
        folders = self.layout.splits
        folder = folders.get(split)
        if folder is None:
            return None
        index = cached_scan(folder, cache, self.extensions)
        if len(index.names) == 0:
            raise DataError(self._none_in(folder, index))
        notes = [*self._notes, *self.layout.notes] if split == "train" else []
        notes += left_out_notes(index.left_out, str(folder), self.what, self.unavailable)
        classes = number_classes(
            {
                name: index.full_folders if other == folder else self._class_folders(other)
                for name, other in folders.items()
            }
        )
        found = label_files(folder, index, classes, self.what)
        if found.labels is None:
            return FolderFiles(folder, index, None, [], [*notes, *found.notes])
        if split == "train":
            notes += classes.notes
        labels = torch.from_numpy(found.labels)
        return FolderFiles(folder, index, labels, classes.names, [*notes, *found.notes])

    def peek(self, count: int) -> list[Path]:
        """Up to ``count`` files of the training split, without reading the whole folder.

        Raises:
            DataError: the folder cannot be read, or holds no such files.
        """
        folder = self.layout.splits["train"]
        found = first_files(folder, count, self.extensions)
        if not found:
            raise DataError(self._none_in(folder, scan(folder, self.extensions)))
        return found

    def _class_folders(self, folder: Path) -> list[str]:
        """Names of the folders in a folder that hold samples."""
        inside = visible_folders(folder)
        return [name for name in inside if holds_files(folder / name, self.extensions)]

    def _none_in(self, folder: Path, index: FolderIndex) -> str:
        text = (
            f"no {self.what} in {folder} or the folders under it; "
            f"expected files that end in {', '.join(self.extensions)}"
        )
        notes = left_out_notes(index.left_out, str(folder), self.what, self.unavailable)
        return "; ".join([text, *notes])
