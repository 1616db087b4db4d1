"""A folder of image files."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from natlib.data import Split
from natlib.errors import DataError
from natlib_image.index import EXTENSIONS, FolderIndex, first_images, visible_folders
from natlib_image.index_cache import cached_scan
from natlib_image.sources.base import Images

__all__ = ["Folder", "FolderImages"]

_SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}


class FolderImages:
    """The image files under a folder; class folders, where there are any, are the labels.

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
        # Loose images beside the folders, or a single folder: no classes are meant.
        if (index.groups >= 0).all() and len(np.unique(index.groups)) >= 2:
            number = {name: label for label, name in enumerate(classes)}
            label_of_group = np.array([number[name] for name in index.folders], dtype=np.int64)
            self.labels = torch.from_numpy(label_of_group[index.groups])
            self.classes = classes

    def __len__(self) -> int:
        return len(self.names)

    def item(self, index: int) -> str:
        return os.path.join(self.root, self.names[index])

    def digest(self) -> bytes:
        return self._digest


class Folder:
    """A folder of image files, recursively.

    A folder with a sub-folder ``train`` is split into ``train``, ``val`` (or ``valid``,
    ``validation``) and ``test``; otherwise all of it is ``train``.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def split(self, split: Split, cache: Path | None = None) -> Images | None:
        folders = self._splits()
        folder = folders.get(split)
        if folder is None:
            return None
        index = cached_scan(folder, cache)
        if len(index.names) == 0:
            raise DataError(_no_images(folder))
        # One numbering for all splits, whichever of the classes each happens to have.
        classes = sorted({name for other in folders.values() for name in visible_folders(other)})
        return FolderImages(folder, index, classes)

    def peek(self, count: int) -> list[Path]:
        folder = self._splits()["train"]
        found = first_images(folder, count)
        if not found:
            raise DataError(_no_images(folder))
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


def _no_images(folder: Path) -> str:
    return (
        f"no images in {folder} or the folders under it; "
        f"expected files that end in {', '.join(EXTENSIONS)}"
    )
