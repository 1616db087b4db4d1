"""The run that a protocol for images evaluates: it reads images, and has seen some of them."""

import filecmp
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import Tensor

from natlib.data import DecodedSamples, SampleSet, training_samples
from natlib.errors import DataError, NatlibError
from natlib.protocols import Subject
from natlib_image.modality import Image

__all__ = ["file_paths", "image_modality", "seen_in_training"]


def image_modality(subject: Subject, protocol: str) -> Image:
    """The run's modality, which prepares its images, with the source to evaluate on.

    Args:
        subject: the run.
        protocol: what evaluates it, for the message.

    Raises:
        DataError: the run does not read images.
    """
    if not isinstance(subject.modality, Image):
        raise DataError(
            f"the run was trained on data of the kind '{subject.config.data.kind}'; {protocol} "
            "evaluates runs on images only"
        )
    return subject.modality


def file_paths(samples: SampleSet, index: Tensor) -> list[Path]:
    """The files of some images; none for a source that does not keep images in files."""
    found = (_file(samples, int(number)) for number in index)
    return [path for path in found if path is not None]


def seen_in_training(subject: Subject, files: Iterable[Path]) -> list[Path]:
    """Which of some images the run was trained on, whatever source it read them from.

    An image counts as seen if a training image has the same name (without folder and suffix) and
    is the same file or a copy of it. The name alone decides where the training images cannot be
    compared: because they are gone, or because the run also trained on labelled images from
    another source.

    Args:
        subject: the run; its directory records what it was trained on.
        files: the images to evaluate on.

    Raises:
        DataError: the run directory does not tell what the run was trained on.
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
    images = trained if isinstance(trained, DecodedSamples) else None
    alike = [(number, stem) for number, stem in enumerate(map(_stem, names)) if stem in asked]
    sizes: dict[tuple[str, int], list[Path]] = defaultdict(list)
    for stem in {stem for _, stem in alike}:
        for path in asked[stem]:
            sizes[stem, path.stat().st_size].append(path)
    seen: set[Path] = set()
    for number, stem in alike:
        if images is None or list(images.names[number : number + 1]) != [names[number]]:
            seen.update(asked[stem])
            continue
        other = _file(images, number)
        if other is not None and not other.exists():
            seen.update(asked[stem])
        elif other is not None:
            alternatives = sizes[stem, other.stat().st_size]
            seen.update(path for path in alternatives if _same(other, path))
    return sorted(seen)


def _file(samples: SampleSet, number: int) -> Path | None:
    item = samples.item(number) if isinstance(samples, DecodedSamples) else None
    return Path(item) if isinstance(item, str | Path) else None


def _same(one: Path, other: Path) -> bool:
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _training_samples(subject: Subject) -> SampleSet | None:
    config = subject.config
    try:
        return training_samples(config.data, config.labels, subject.directory.index)
    except NatlibError:
        return None
