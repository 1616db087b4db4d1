"""Which images are learnt from, chosen by and judged on, and what is in them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from natlib.component import nearest
from natlib.errors import DataError
from natlib_image_protocols.voc.annotation import VocAnnotation, read_annotation
from natlib_image_protocols.voc.folder import VocFolder

__all__ = ["VocImage", "VocSplits", "find_voc_splits", "fingerprint", "image_labels"]

_VALIDATION = 0.2


@dataclass(frozen=True)
class VocImage:
    """An image and its annotation.

    Attributes:
        identifier: its name, without folder and suffix.
        path: its file.
        annotation: what is in it.
    """

    identifier: str
    path: Path
    annotation: VocAnnotation


@dataclass(frozen=True)
class VocSplits:
    """A set, taken apart.

    Attributes:
        train: images to learn from while settings are chosen.
        validation: images to choose settings by; both together are learnt from in the end.
        test: images to judge by, once.
        classes: names of the classes, sorted.
        test_set: which set of ``ImageSets/Main`` the test images are.
    """

    train: tuple[VocImage, ...]
    validation: tuple[VocImage, ...]
    test: tuple[VocImage, ...]
    classes: tuple[str, ...]
    test_set: str

    @property
    def known(self) -> tuple[VocImage, ...]:
        """Everything but the test images."""
        return self.train + self.validation


def find_voc_splits(folder: VocFolder, seed: int = 0) -> VocSplits:
    """``train``, ``val`` and ``test`` of the set, as the challenge meant them.

    Where the set has no ``test`` (VOC 2012 keeps its own), ``val`` is judged on. Where ``val`` is
    not there to choose settings by, a fifth of the other images is.

    Args:
        folder: the set.
        seed: of the choice of that fifth.

    Raises:
        DataError: sets, images or annotations are missing, damaged or empty, two sets share an
            image, or test images hold a class that no other image has.
    """
    test_set = folder.test_set
    if test_set is None:
        raise DataError(
            f"{folder.root} has neither test.txt nor val.txt in ImageSets/Main; "
            "write one that names the images to judge on"
        )
    if test_set == "test" and {"train", "val"} <= set(folder.image_sets()):
        train, validation = folder.identifiers("train"), folder.identifiers("val")
    else:
        train, validation = _set_aside(folder.known(), seed)
    test = folder.identifiers(test_set)
    _check_apart({"train": train, "validation": validation, test_set: test}, folder)
    known = _images(folder, train), _images(folder, validation)
    judged = _images(folder, test)
    classes = _names(known[0] + known[1])
    _check_classes(folder, known[0] + known[1] + judged, classes)
    return VocSplits(*known, judged, tuple(sorted(classes)), test_set)


def image_labels(images: Iterable[VocImage], classes: tuple[str, ...]) -> Tensor:
    """Which classes are in which image, int64[n, c]: 1 yes, 0 no, -1 not to be asked.

    The last is said of an image in which all objects of a class are difficult, as the
    challenge has it: neither learnt from nor judged on for this class.
    """
    rows = []
    for image in images:
        row = dict.fromkeys(classes, 0)
        for item in image.annotation.objects:
            if not item.difficult:
                row[item.name] = 1
            elif row[item.name] == 0:
                row[item.name] = -1
        rows.append([row[name] for name in classes])
    return torch.tensor(rows, dtype=torch.int64).view(-1, len(classes))


def fingerprint(images: Iterable[VocImage]) -> str:
    """A digest of names and annotations: equal if and only if the same is to be found."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr((image.identifier, image.annotation)).encode())
    return digest.hexdigest()


def _set_aside(names: list[str], seed: int) -> tuple[list[str], list[str]]:
    if len(names) < 2:
        raise DataError(
            f"the set has {len(names)} training image; at least 2 are needed, "
            "one to learn from and one to choose settings by"
        )
    aside = set(Random(seed).sample(names, max(1, round(_VALIDATION * len(names)))))
    return [n for n in names if n not in aside], [n for n in names if n in aside]


def _check_apart(sets: dict[str, list[str]], folder: VocFolder) -> None:
    seen: dict[str, str] = {}
    for name, identifiers in sets.items():
        for identifier in identifiers:
            if identifier in seen:
                raise DataError(
                    f"'{identifier}' is in {seen[identifier]} and in {name} of {folder.root}; "
                    "an image may be in one of them"
                )
            seen[identifier] = name


def _images(folder: VocFolder, identifiers: list[str]) -> tuple[VocImage, ...]:
    return tuple(
        VocImage(i, folder.image(i), read_annotation(folder.annotation(i))) for i in identifiers
    )


def _names(images: Iterable[VocImage]) -> set[str]:
    return {item.name for image in images for item in image.annotation.objects}


def _check_classes(folder: VocFolder, images: tuple[VocImage, ...], classes: set[str]) -> None:
    if not classes:
        raise DataError(f"the training annotations of {folder.root} hold no object at all")
    listed = folder.class_files()
    for image in images:
        for item in image.annotation.objects:
            if listed and item.name not in listed:
                problem = f"has no list in ImageSets/Main; {nearest(item.name, listed)}"
            elif item.name not in classes:
                problem = f"is in no training image; {nearest(item.name, classes)}"
            else:
                continue
            raise DataError(
                f"{folder.root / 'Annotations' / image.identifier}.xml names the unknown class "
                f"'{item.name}', which {problem}"
            )
