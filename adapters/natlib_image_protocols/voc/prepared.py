"""The images of a set as samples of a run's modality, with their classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.data import Batch, DecodedSamples, load_batches
from natlib.errors import DataError
from natlib.protocols import Subject
from natlib_image.decoder import ImageSamples
from natlib_image.modality import Image
from natlib_image_protocols.image_subject import image_modality, seen_in_training
from natlib_image_protocols.voc.folder import VocFolder
from natlib_image_protocols.voc.labelled import VocSplits, find_voc_splits, image_labels
from natlib_image_protocols.voc.source import VocImages

__all__ = ["VocSamples", "voc_splits"]


@dataclass(frozen=True)
class VocSamples:
    """All images of a set: first train, then validation, then test.

    Attributes:
        modality: prepares the images.
        samples: the images.
        labels: int64[n, c], see :func:`image_labels`.
        splits: the images with their annotations.
        device: the device of batches.
        workers: processes that decode.
    """

    modality: Image
    samples: ImageSamples
    labels: Tensor
    splits: VocSplits
    device: torch.device
    workers: int

    @classmethod
    def of(cls, subject: Subject) -> "VocSamples":
        """The set that a protocol evaluates on.

        Raises:
            DataError: the run does not read images, or the set is incomplete or damaged.
        """
        modality, splits = image_modality(subject, "Pascal VOC"), voc_splits(subject)
        images = (*splits.trainval, *splits.test)
        names = [image.identifier for image in images]
        stored = VocImages(VocFolder(modality.source or ""), names)
        samples = DecodedSamples(stored, modality.decoder(), modality.cache_gib)
        labels = image_labels(images, splits.classes)
        return cls(modality, samples, labels, splits, subject.device, subject.workers)

    def preload(self, subject: Subject) -> None:
        """Decode all images into memory, if they fit."""
        self.samples.preload(
            self.workers, lambda done, total: subject.progress("reading images", done, total)
        )

    def seen(self, subject: Subject) -> int:
        """How many of the test images the run was trained on."""
        return len(seen_in_training(subject, [image.path for image in self.splits.test]))

    @property
    def train(self) -> Tensor:
        """Indices of the images to train on while settings are chosen."""
        return torch.arange(len(self.splits.train))

    @property
    def validation(self) -> Tensor:
        """Indices of the images to choose settings on."""
        return torch.arange(len(self.splits.train), len(self.splits.trainval))

    @property
    def trainval(self) -> Tensor:
        """Indices of the images of the final training: train and validation."""
        return torch.arange(len(self.splits.trainval))

    @property
    def test(self) -> Tensor:
        """Indices of the images to test on."""
        return torch.arange(len(self.splits.trainval), len(self.labels))

    def batches(self, index: Tensor, size: int) -> Iterator[Batch]:
        """Batches of images in the order of ``index``.

        Raises:
            DataError: an image cannot be decoded.
        """
        parts = [part.tolist() for part in torch.split(index, size)]
        for batch in load_batches(
            self.modality, self.samples, parts, device=self.device, workers=self.workers
        ):
            for bad in batch.unreadable:
                raise DataError(
                    f"the image {self.samples.names[bad.index]} cannot be read: {bad.reason}; "
                    "replace it, or take its name out of ImageSets/Main"
                )
            yield batch


def voc_splits(subject: Subject) -> VocSplits:
    """The set that a protocol evaluates on.

    Raises:
        DataError: the source is not in the format of Pascal VOC, or is incomplete or damaged.
    """
    source = image_modality(subject, "Pascal VOC").source
    if source is None or source == "digits":
        raise DataError(
            "the run's own source is not in the format of Pascal VOC; "
            "give a folder in this format, --data VOCdevkit/VOC2007"
        )
    return find_voc_splits(VocFolder(source), subject.evaluation.seed)
