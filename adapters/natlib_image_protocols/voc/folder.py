"""A folder in the layout of the development kit of Pascal VOC."""

import re
from pathlib import Path

from natlib.errors import DataError

__all__ = ["VocFolder", "is_voc_folder"]

_SETS = Path("ImageSets") / "Main"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
# ImageSets/Main/aeroplane_trainval.txt and the like, one for each class of the set.
_CLASS_FILE = re.compile(r"(.+)_(train|val|trainval|test)")


def is_voc_folder(path: Path) -> bool:
    """Whether a folder holds ``JPEGImages`` and ``ImageSets/Main``."""
    return (path / "JPEGImages").is_dir() and (path / _SETS).is_dir()


class VocFolder:
    """``JPEGImages``, ``Annotations`` and ``ImageSets/Main`` in a folder.

    Args:
        path: the folder itself (``VOCdevkit/VOC2007``, or one like it), or one that holds a
            single such folder (``VOCdevkit``).

    Raises:
        DataError: there is no such folder, or there are several.
    """

    def __init__(self, path: str | Path) -> None:
        self.root = _find(Path(path).expanduser())

    def image_sets(self) -> list[str]:
        """The image sets that are not those of a single class: ``train``, ``val`` and the like."""
        names = [file.stem for file in (self.root / _SETS).glob("*.txt")]
        return sorted(name for name in names if not _CLASS_FILE.fullmatch(name))

    def class_files(self) -> set[str]:
        """The classes that ``ImageSets/Main`` has lists for."""
        found = (_CLASS_FILE.fullmatch(file.stem) for file in (self.root / _SETS).glob("*.txt"))
        return {match[1] for match in found if match}

    def identifiers(self, image_set: str) -> list[str]:
        """The images of an image set, in the order of its file.

        Raises:
            DataError: there is no such image set, it is empty, or it names an image twice.
        """
        file = self.root / _SETS / f"{image_set}.txt"
        if not file.is_file():
            there = ", ".join(self.image_sets()) or "none"
            raise DataError(f"there is no {file}; image sets that are there: {there}")
        lines = file.read_text(encoding="utf-8").splitlines()
        # A second column, as in the lists of the classes, is not part of the name.
        names = [line.split()[0] for line in lines if line.strip()]
        if not names:
            raise DataError(
                f"{file} is empty; write the name of one image, without .jpg, in each line"
            )
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{file} names '{twice}' more than once; keep one of these lines")
        return names

    def image(self, identifier: str) -> Path:
        """The file of an image.

        Raises:
            DataError: there is no such file.
        """
        folder = self.root / "JPEGImages"
        for suffix in _SUFFIXES:
            if (folder / f"{identifier}{suffix}").is_file():
                return folder / f"{identifier}{suffix}"
        raise DataError(
            f"there is no {folder / identifier}.jpg, which ImageSets/Main names; "
            "add the image, or take its name out of the sets"
        )

    def annotation(self, identifier: str) -> Path:
        """The annotation file of an image, which may be missing."""
        return self.root / "Annotations" / f"{identifier}.xml"

    @property
    def test_set(self) -> str | None:
        """The image set to test on: ``test``, else ``val`` (VOC 2012 does not publish ``test``)."""
        return next((name for name in ("test", "val") if name in self.image_sets()), None)

    def trainval(self) -> list[str]:
        """The images to train on: all image sets but the test set.

        Raises:
            DataError: there is no such image set.
        """
        there = self.image_sets()
        # trainval holds the test images where these are called val.
        if self.test_set != "val" and "trainval" in there:
            return self.identifiers("trainval")
        if "train" not in there:
            raise DataError(
                f"{self.root / _SETS} has {', '.join(there) or 'no sets'}; "
                "expected train.txt, or trainval.txt and test.txt"
            )
        both = self.test_set == "test" and "val" in there
        return self.identifiers("train") + (self.identifiers("val") if both else [])


def _find(path: Path) -> Path:
    if not path.is_dir():
        raise DataError(
            f"there is no folder {path}; give VOCdevkit/VOC2007, or a folder in its layout"
        )
    if is_voc_folder(path):
        return path
    inside = sorted(folder for folder in path.iterdir() if is_voc_folder(folder))
    if len(inside) > 1:
        names = ", ".join(str(folder) for folder in inside)
        raise DataError(f"{path} holds several sets: {names}; give one of them")
    if not inside:
        raise DataError(
            f"{path} is not in the layout of Pascal VOC; expected JPEGImages, Annotations and "
            "ImageSets/Main in it, as in VOCdevkit/VOC2007"
        )
    return inside[0]
