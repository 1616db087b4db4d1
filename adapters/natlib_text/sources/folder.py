"""A folder of text files: each file is a sample."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from natlib.data import Split
from natlib.data.files import Folder, FolderFiles

__all__ = ["FolderTexts", "TextFolder"]


class FolderTexts:
    """Files, read when they are asked for.

    Args:
        files: which ones.
    """

    def __init__(self, files: FolderFiles) -> None:
        self._files = files
        self.names: Sequence[str] = files.names
        self.labels: Tensor | None = files.labels
        self.classes: list[str] = files.classes

    def __len__(self) -> int:
        return len(self._files)

    def item(self, index: int, limit: int) -> bytes:
        with open(self._files.item(index), "rb") as file:
            return file.read(limit + 1)

    def digest(self) -> bytes:
        return self._files.digest()


class TextFolder:
    """See :class:`natlib.data.files.Folder`.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._folder = Folder(root, ("txt",), "texts")

    def split(self, split: Split, cache: Path | None) -> FolderTexts | None:
        files = self._folder.split(split, cache)
        return None if files is None else FolderTexts(files)
