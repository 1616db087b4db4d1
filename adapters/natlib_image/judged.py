"""Runs that protocols for images judge: that they read images, and which ones they have seen."""

import filecmp
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from natlib.data import SampleSet, training_samples
from natlib.errors import DataError
from natlib.protocols import Subject
from natlib_image.imageset import ImageSet
from natlib_image.modality import Image

__all__ = ["file_paths", "image_modality", "seen_in_training"]


def image_modality(subject: Subject, judge: str) -> Image:
    """What the run prepares images with, and where those to judge on are.

    Args:
        subject: what is judged.
        judge: who asks, for the message.

    Raises:
        DataError: the run does not read images.
    """
    if not isinstance(subject.modality, Image):
        raise DataError(
            f"the run learnt from data of the kind '{subject.config.data.kind}'; {judge} judges "
            "runs on images only"
        )
    return subject.modality


def file_paths(samples: SampleSet, index: Tensor) -> list[Path]:
    """The files of some images; none where a source is no files."""
    if not isinstance(samples, ImageSet):
        return []
    found = (samples.path(int(number)) for number in index)
    return [path for path in found if path is not None]


def seen_in_training(subject: Subject, files: Iterable[Path]) -> list[Path]:
    """Which of some images the run was trained on, wherever it read them.

    An image counts as seen if a training image has its name (without folder and suffix), and is
    the same file or a copy. Where the training images are no longer there, the name is enough.

    Args:
        subject: the run; what it was trained on stands in its directory.
        files: the images that it is judged on.

    Raises:
        DataError: it cannot be found out what the run was trained on.
    """
    asked: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        asked[path.stem].append(path)
    trained = _training_samples(subject)
    names: Sequence[str]
    try:
        names = subject.directory.sample_names()
    except DataError:
        if trained is None:
            raise
        names = trained.names
    alike = [(number, stem) for number, stem in enumerate(map(_stem, names)) if stem in asked]
    sizes: dict[tuple[str, int], list[Path]] = defaultdict(list)
    for stem in {stem for _, stem in alike}:
        for path in asked[stem]:
            sizes[stem, path.stat().st_size].append(path)
    seen: set[Path] = set()
    for number, stem in alike:
        if trained is None or number >= len(trained) or trained.names[number] != names[number]:
            seen.update(asked[stem])
            continue
        for other in file_paths(trained, torch.tensor([number])):
            if not other.exists():
                seen.update(asked[stem])
                continue
            for path in sizes[stem, other.stat().st_size]:
                if other.samefile(path) or filecmp.cmp(other, path, shallow=False):
                    seen.add(path)
    return sorted(seen)


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _training_samples(subject: Subject) -> SampleSet | None:
    config = subject.config
    try:
        return training_samples(config.data, config.labels, subject.directory.index)
    except DataError:
        return None
