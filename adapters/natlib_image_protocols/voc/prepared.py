"""The images of a set as samples of a run's modality, and which classes are in them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.data import Batch, DecodedSamples, load_batches
from natlib.errors import DataError
from natlib.protocols import Subject
from natlib_image.decoder import ImageDecoder, ImageSamples
from natlib_image.modality import Image
from natlib_image_protocols.image_subject import image_modality, seen_in_training
from natlib_image_protocols.voc.folder import VocFolder
from natlib_image_protocols.voc.labelled import VocSplits, find_voc_splits, image_labels
from natlib_image_protocols.voc.source import VocImages

__all__ = ["VocSamples", "voc_splits"]


@dataclass(frozen=True)
class VocSamples:
    """All images of a set, train, validation and test one after the other.

    Attributes:
        modality: what prepares them.
        samples: where they are.
        labels: int64[n, c], as :func:`image_labels` says.
        splits: what they are.
        device: where batches go.
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
        """The set that a protocol is to judge on.

        Raises:
            DataError: the run does not read images, or the set is not in order.
        """
        modality, splits = image_modality(subject, "Pascal VOC"), voc_splits(subject)
        images = (*splits.known, *splits.test)
        names = [image.identifier for image in images]
        stored = VocImages(VocFolder(modality.source or ""), names)
        samples = DecodedSamples(stored, ImageDecoder(modality.resize or 0), modality.cache_gib)
        labels = image_labels(images, splits.classes)
        return cls(modality, samples, labels, splits, subject.device, subject.workers)

    def preload(self, subject: Subject) -> None:
        """Decode all images, if they are few enough to be kept."""
        self.samples.preload(
            self.workers, lambda done, total: subject.progress("reading images", done, total)
        )

    def seen(self, subject: Subject) -> int:
        """How many of the test images the run was trained on."""
        return len(seen_in_training(subject, [image.path for image in self.splits.test]))

    @property
    def train(self) -> Tensor:
        """Indices of the images to learn from while settings are chosen."""
        return torch.arange(len(self.splits.train))

    @property
    def validation(self) -> Tensor:
        """Indices of the images to choose settings by."""
        return torch.arange(len(self.splits.train), len(self.splits.known))

    @property
    def known(self) -> Tensor:
        """Both."""
        return torch.arange(len(self.splits.known))

    @property
    def test(self) -> Tensor:
        """Indices of the images to judge by."""
        return torch.arange(len(self.splits.known), len(self.labels))

    def batches(self, index: Tensor, size: int) -> Iterator[Batch]:
        """Images in the order asked for.

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
    """The set that a protocol is to judge on.

    Raises:
        DataError: there is none, or it is not in order.
    """
    source = image_modality(subject, "Pascal VOC").source
    if source is None or source == "digits":
        raise DataError(
            "the run's own source is not in the format of Pascal VOC; "
            "give a folder that is, --data VOCdevkit/VOC2007"
        )
    return find_voc_splits(VocFolder(source), subject.evaluation.seed)
