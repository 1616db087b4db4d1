"""A folder of files as samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from natlib.data.files.index import FolderIndex, first_files, visible_folders
from natlib.data.files.index_cache import cached_scan
from natlib.data.splits import Split
from natlib.errors import DataError

__all__ = ["Folder", "FolderFiles"]

_SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}


class FolderFiles:
    """The files under a folder; class folders, where there are any, are the labels.

    Args:
        root: the folder.
        index: what is in it.
        classes: names of the classes of all splits, or nothing to go without labels.
    """

    def __init__(self, root: Path, index: FolderIndex, classes: list[str]) -> None:
        self.root = root
        self.names: Sequence[str] = index.names
        self._digest = index.digest()
        self.labels: Tensor | None = None
        self.classes: list[str] = []
        # Loose files beside the folders, or a single folder: no classes are meant.
        if (index.groups >= 0).all() and len(np.unique(index.groups)) >= 2:
            number = {name: label for label, name in enumerate(classes)}
            label_of_group = np.array([number[name] for name in index.folders], dtype=np.int64)
            self.labels = torch.from_numpy(label_of_group[index.groups])
            self.classes = classes

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

    A folder with a sub-folder ``train`` is split into ``train``, ``val`` (or ``valid``,
    ``validation``) and ``test``; otherwise all of it is ``train``.

    Args:
        root: the folder.
        extensions: how the names of files that count end, without the dot.
        what: what the files are called in messages, in the plural (``images``).
    """

    def __init__(self, root: Path, extensions: Sequence[str], what: str) -> None:
        self.root = root
        self.extensions = extensions
        self.what = what

    def split(self, split: Split, cache: Path | None = None) -> FolderFiles | None:
        """The files of a split; None if there is no such split.

        Raises:
            DataError: the folder cannot be read, or holds no such files.
        """
        folders = self._splits()
        folder = folders.get(split)
        if folder is None:
            return None
        index = cached_scan(folder, cache, self.extensions)
        if len(index.names) == 0:
            raise DataError(self._none_in(folder))
        # One numbering for all splits, whichever of the classes each happens to have.
        classes = sorted({name for other in folders.values() for name in visible_folders(other)})
        return FolderFiles(folder, index, classes)

    def peek(self, count: int) -> list[Path]:
        """Up to ``count`` files of the training split, without reading the whole folder.

        Raises:
            DataError: the folder cannot be read, or holds no such files.
        """
        folder = self._splits()["train"]
        found = first_files(folder, count, self.extensions)
        if not found:
            raise DataError(self._none_in(folder))
        return found

    def _splits(self) -> dict[Split, Path]:
        inside = {name.lower(): name for name in visible_folders(self.root)}
        if "train" not in inside:
            return {"train": self.root}
        found: dict[Split, Path] = {}
        for split, names in _SPLITS.items():
            for name in names:
                if name in inside and split not in found:
                    found[split] = self.root / inside[name]
        return found

    def _none_in(self, folder: Path) -> str:
        return (
            f"no {self.what} in {folder} or the folders under it; "
            f"expected files that end in {', '.join(self.extensions)}"
        )
