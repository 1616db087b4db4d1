"""The protocol for detection: mean average precision of a Faster R-CNN on a run's encoder."""

from functools import partial
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from natlib.component import Condition
from natlib.encoders import Encoder
from natlib.evaluation import Evaluation, EvaluationDetails, Figure
from natlib.evaluation.modes import untouched_random
from natlib.protocols import Protocol, Subject
from natlib_image.encoders.resnet import ResNet
from natlib_image_protocols.voc.detection_metric import detection_precision
from natlib_image_protocols.voc.detection_training import detect, train_detector
from natlib_image_protocols.voc.detector import DetectorShape, build_detector
from natlib_image_protocols.voc.labelled import VocImage, fingerprint
from natlib_image_protocols.voc.prepared import VocSamples
from natlib_image_protocols.voc.scaled import ScaledImages

__all__ = ["VocDetection"]

_COLUMNS = {"map_50": "mAP@0.5", "map_50_11": "mAP@0.5, 11 points (VOC 2007)"}


class VocDetection(Protocol):
    """Mean average precision of a Faster R-CNN at an overlap (IoU) of one half.

    For a set in the format of Pascal VOC. The detector is trained from the run's encoder, and with
    the same settings from a randomly initialised one. Objects marked as difficult are ignored, in
    training and in the test.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("batch_norm",),
            on=("train",),
            holds=lambda train: train == "all",
            remedy="set {train} to all",
        ),
    )

    kind: Literal["voc_detection"] = "voc_detection"
    train: Literal["head", "all"] = "all"
    """``head``: the encoder's maps stay as they are. ``all``: everything is trained."""
    batch_norm: Literal["frozen", "trained"] = "frozen"
    """``frozen``: the encoder's batch norms stay as they are, since statistics of a few images are
    noisy. ``trained``: they are trained (only if ``train`` is ``all``)."""
    pyramid: bool | None = None
    """Whether to use a feature pyramid of maps of several strides; by default for a ResNet only."""
    short_side: int = Field(default=600, ge=32)
    """Pixels to which the short side of an image is scaled."""
    long_side: int = Field(default=1000, ge=32)
    """Largest long side of an image in pixels."""
    epochs: PositiveInt = 12
    """Passes over the training images."""
    batch_size: PositiveInt = 4
    """Images in a step."""
    learning_rates: tuple[float, ...] = Field(default=(0.005,), min_length=1)
    """Learning rates; each row uses the one that is best on the validation images with its first
    seed."""
    regions: PositiveInt = 128
    """Regions of an image that the box head is trained on."""
    proposals: PositiveInt = 300
    """Regions of an image that it classifies when it detects."""
    head_width: PositiveInt = 1024
    """Width of the box head, where the encoder has no fully connected layers to start from."""
    seeds: PositiveInt = 1
    """Trainings of each row, with different seeds; the table shows mean and standard error."""

    def run(self, subject: Subject) -> Evaluation:
        data = VocSamples.of(subject)
        seen = data.seen(subject)
        measured: dict[str, list[dict[str, Any]]] = {}
        chosen = {}
        with untouched_random(subject.device):
            for name in ("encoder", "start"):
                rate = self._rate(subject, data, name)
                chosen[name] = {"learning_rate": rate}
                measured[name] = [
                    self._measured(
                        subject, data, name, rate, data.splits.trainval, data.splits.test, number
                    )
                    for number in range(self.seeds)
                ]
        return self.result(
            subject,
            f"Detection in {len(data.splits.test):,} {data.splits.test_set} images (%)",
            _COLUMNS,
            {
                name: {column: Figure.of([each[column] for each in runs]) for column in _COLUMNS}
                for name, runs in measured.items()
            },
            EvaluationDetails(
                train_samples=len(data.splits.trainval),
                test_samples=len(data.splits.test),
                test_split=data.splits.test_set,
                held_out=not seen,
                classes=list(data.splits.classes),
                chosen=chosen,
                more={
                    "seen_in_training": seen,
                    "average_precision": {
                        name: _means([each["average_precision"] for each in runs])
                        for name, runs in measured.items()
                    },
                },
            ),
            train_fingerprint=fingerprint(data.splits.trainval),
            test_fingerprint=fingerprint(data.splits.test),
            names={"start": "from random weights"},
        )

    def _rate(self, subject: Subject, data: VocSamples, name: str) -> float:
        """The learning rate that is best on validation images, the first of equally good ones."""
        if len(self.learning_rates) == 1:
            return self.learning_rates[0]

        def quality(rate: float) -> float:
            splits = data.splits
            found = self._measured(subject, data, name, rate, splits.train, splits.validation, 0)
            return float(found["map_50"])

        return max(self.learning_rates, key=quality)

    def _measured(
        self,
        subject: Subject,
        data: VocSamples,
        name: str,
        rate: float,
        train: tuple[VocImage, ...],
        test: tuple[VocImage, ...],
        number: int,
    ) -> dict[str, Any]:
        """Precision of a detector that is trained on ``train`` and tested on ``test``.

        ``number`` is added to the seed.
        """
        seed, classes = subject.evaluation.seed + number, data.splits.classes
        label = f"{name}, rate {rate:g}, seed {seed}"
        detector = train_detector(
            lambda: build_detector(
                self._start(subject, data, name, seed),
                data.modality,
                len(classes),
                self._shape(subject),
            ),
            self._scaled(train, classes),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=rate,
            seed=seed,
            device=subject.device,
            workers=subject.workers,
            progress=partial(subject.progress, f"training, {label}"),
        )
        found, truth = detect(
            detector,
            self._scaled(test, classes),
            batch_size=self.batch_size,
            device=subject.device,
            workers=subject.workers,
            progress=partial(subject.progress, f"detecting, {label}"),
        )
        return detection_precision(found, truth, classes)

    def _start(self, subject: Subject, data: VocSamples, name: str, seed: int) -> Encoder:
        if name == "encoder":
            return subject.model.encoder
        return subject.random_encoder(data.samples, data.trainval, seed)

    def _scaled(self, images: tuple[VocImage, ...], classes: tuple[str, ...]) -> ScaledImages:
        return ScaledImages(images, classes, self.short_side, self.long_side)

    def _shape(self, subject: Subject) -> DetectorShape:
        pyramid = self.pyramid
        if pyramid is None:
            pyramid = isinstance(subject.model.recipe, ResNet)
        return DetectorShape(
            short_side=self.short_side,
            long_side=self.long_side,
            pyramid=pyramid,
            batch_norm=self.batch_norm == "trained",
            backbone=self.train == "all",
            regions=self.regions,
            proposals=self.proposals,
            head_width=self.head_width,
        )


def _means(each: list[dict[str, float]]) -> dict[str, float]:
    """The mean over seeds for every class; all seeds have the same classes."""
    return {name: fmean(one[name] for one in each) for name in each[0]}
