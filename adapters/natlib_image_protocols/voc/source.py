"""A folder in the layout of Pascal VOC as a source of images to train on."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from natlib.data import Source, Split
from natlib_image_protocols.voc.folder import VocFolder, is_voc_folder

__all__ = ["Voc", "VocImages"]


class VocImages:
    """Some images of a set (see :class:`natlib.data.SourceSplit`).

    They have no labels: an image holds objects of several classes.

    Args:
        folder: the set.
        names: which images.

    Raises:
        DataError: one of them is missing.
    """

    def __init__(self, folder: VocFolder, names: Sequence[str]) -> None:
        self.names = names
        self.labels: Tensor | None = None
        self.classes: list[str] = []
        self._files = [folder.image(name) for name in names]

    def __len__(self) -> int:
        return len(self.names)

    def item(self, index: int) -> Path:
        """The path of an image."""
        return self._files[index]

    def digest(self) -> bytes:
        """Of the names: equal if and only if the same images are there."""
        return hashlib.sha256("\n".join(self.names).encode()).digest()


class Voc(Source):
    """A folder with ``JPEGImages`` and ``ImageSets/Main``; its test images are not trained on.

    Args:
        source: the folder.
    """

    def __init__(self, source: str) -> None:
        self._folder = VocFolder(source)

    @classmethod
    def recognises(cls, source: str) -> bool:
        """See :func:`natlib.data.plugin_source`."""
        return is_voc_folder(Path(source).expanduser())

    def split(self, split: Split, cache: Path | None = None) -> VocImages | None:
        """``train`` is every set but the test set, which is ``test``, or else ``val``."""
        if split == "train":
            return VocImages(self._folder, self._folder.trainval())
        if split == self._folder.test_set:
            return VocImages(self._folder, self._folder.identifiers(split))
        return None
