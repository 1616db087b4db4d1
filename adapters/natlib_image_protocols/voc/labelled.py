"""Training, validation and test images of a set, with their annotations."""

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
    """The images of a set by their use.

    Attributes:
        train: images to train on while settings are chosen.
        validation: images to choose settings on; the final training uses both.
        test: images to test on, once.
        classes: names of the classes, sorted.
        test_set: name of the image set of the test images.
    """

    train: tuple[VocImage, ...]
    validation: tuple[VocImage, ...]
    test: tuple[VocImage, ...]
    classes: tuple[str, ...]
    test_set: str

    @property
    def trainval(self) -> tuple[VocImage, ...]:
        """Training and validation images."""
        return self.train + self.validation


def find_voc_splits(folder: VocFolder, seed: int = 0) -> VocSplits:
    """``train``, ``val`` and ``test`` of the set, as the challenge defines them.

    Without ``test`` (VOC 2012 does not publish its own), ``val`` is the test set. Without a ``val``
    for validation, a random fifth of the training images is used.

    Args:
        folder: the set.
        seed: of that random choice.

    Raises:
        DataError: sets, images or annotations are missing, damaged or empty, two sets share an
            image, or test images hold a class that no other image has.
    """
    test_set = folder.test_set
    if test_set is None:
        raise DataError(
            f"{folder.root} has neither test.txt nor val.txt in ImageSets/Main; "
            "write one that names the images to test on"
        )
    if test_set == "test" and {"train", "val"} <= set(folder.image_sets()):
        train, validation = folder.identifiers("train"), folder.identifiers("val")
    else:
        train, validation = _set_aside(folder.trainval(), seed)
    test = folder.identifiers(test_set)
    _check_apart({"train": train, "validation": validation, test_set: test}, folder)
    training = _images(folder, train), _images(folder, validation)
    testing = _images(folder, test)
    classes = _names(training[0] + training[1])
    _check_classes(folder, training[0] + training[1] + testing, classes)
    return VocSplits(*training, testing, tuple(sorted(classes)), test_set)


def image_labels(images: Iterable[VocImage], classes: tuple[str, ...]) -> Tensor:
    """Which classes are in which image, int64[n, c]: 1 present, 0 absent, -1 ignored.

    As in the challenge, a class is ignored in an image whose objects of that class are all marked
    as difficult: the image is neither trained nor tested on for this class.
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
    """A digest of names and annotations: equal if and only if both are the same."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr((image.identifier, image.annotation)).encode())
    return digest.hexdigest()


def _set_aside(names: list[str], seed: int) -> tuple[list[str], list[str]]:
    if len(names) < 2:
        raise DataError(
            f"the set has {len(names)} training image; at least 2 are needed, "
            "one to train on and one to choose settings on"
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
                    "put an image into one of them only"
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
