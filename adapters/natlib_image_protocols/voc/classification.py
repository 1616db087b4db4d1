"""The protocol for classification: mean average precision by the rules of Pascal VOC."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from statistics import fmean
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from natlib.component import Condition
from natlib.encoders import Encoder
from natlib.evaluation import Evaluation, EvaluationDetails
from natlib.evaluation.modes import evaluating, untouched_random
from natlib.protocols import Protocol, Subject
from natlib_image_protocols.voc.average_precision import AveragePrecision, average_precisions
from natlib_image_protocols.voc.fine_tuning import fine_tune, head_stages
from natlib_image_protocols.voc.labelled import fingerprint
from natlib_image_protocols.voc.one_vs_rest import fit_one_vs_rest
from natlib_image_protocols.voc.prepared import VocSamples

__all__ = ["VocClassification"]

_COLUMNS = {"map_11": "mAP, 11 points (VOC 2007)", "map_area": "mAP, area (VOC 2010)"}


class VocClassification(Protocol):
    """Mean average precision of classification, for a set in the format of Pascal VOC.

    Scores of a test image are averaged over ten crops. Objects marked as difficult are ignored.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("weight_decays",),
            on=("train",),
            holds=lambda train: train == "frozen",
            remedy="set {train} to frozen",
        ),
        Condition(
            ("learning_rates", "epochs", "batch_size"),
            on=("train",),
            holds=lambda train: train != "frozen",
            remedy="set {train} to head or all",
        ),
    )

    kind: Literal["voc_classification"] = "voc_classification"
    train: Literal["frozen", "head", "all"] = "frozen"
    """``frozen``: a linear classifier for each class on frozen features. ``head``: the fully
    connected layers are trained too, or the last stage of an encoder that has none. ``all``:
    everything is trained."""
    weight_decays: tuple[float, ...] | None = None
    """Weight decays of the classifiers on frozen features, chosen on the validation images; by
    default the run's ``evaluation.weight_decays``."""
    learning_rates: tuple[float, ...] = Field(default=(1e-4, 1e-3), min_length=1)
    """Learning rates of fine-tuning, chosen on the validation images."""
    epochs: PositiveInt = 30
    """Passes over the training images when fine-tuning."""
    batch_size: PositiveInt = 32
    """Images in a step of fine-tuning."""

    def run(self, subject: Subject) -> Evaluation:
        data = VocSamples.of(subject)
        seen = data.seen(subject)
        data.preload(subject)
        with untouched_random(subject.device):
            scores, chosen = (self._frozen if self.train == "frozen" else self._tuned)(
                subject, data
            )
        truth = data.labels[data.test]
        found = {name: average_precisions(each, truth) for name, each in scores.items()}
        return self.result(
            subject,
            f"Classification of {len(data.test):,} {data.splits.test_set} images (%)",
            _COLUMNS,
            {name: _means(each) for name, each in found.items()},
            EvaluationDetails(
                train_samples=len(data.trainval),
                test_samples=len(data.test),
                test_split=data.splits.test_set,
                held_out=not seen,
                classes=list(data.splits.classes),
                chosen=chosen,
                more={
                    "seen_in_training": seen,
                    "share_with_class": _shares(truth, data.splits.classes),
                    "average_precision": {
                        name: {
                            label: each._asdict()
                            for label, each in zip(data.splits.classes, aps, strict=True)
                            if not math.isnan(each.area)
                        }
                        for name, aps in found.items()
                    },
                },
            ),
            train_fingerprint=fingerprint(data.splits.trainval),
            test_fingerprint=fingerprint(data.splits.test),
            names={name: text for name, text in subject.names.items() if name in found},
        )

    def _frozen(
        self, subject: Subject, data: VocSamples
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Scores float32[q, c] of the test images for each row, and what was chosen."""
        features = self._features(subject, data)
        decays = self.weight_decays or subject.evaluation.weight_decays
        scores, chosen = {}, {}
        for done, (name, rows) in enumerate(features.items()):
            subject.progress("fitting classifiers", done, len(features))
            fitted = partial(_linear_scores, rows, data.labels)
            scores[name], decay = _best(fitted, sorted(decays, reverse=True), data)
            chosen[name] = {"weight_decay": decay}
        return scores, chosen

    def _features(self, subject: Subject, data: VocSamples) -> dict[str, Tensor]:
        """float32[n, ·] of each row: the mean over ten crops, and pixels."""
        encoder, objective = subject.model.encoder, subject.model.with_head
        before = subject.start_encoders(data.samples, data.trainval)
        parts: dict[str, list[Tensor]] = {}
        done, size = 0, subject.evaluation.batch_size
        with evaluating(encoder, objective, *before.values()):
            for batch in data.batches(torch.arange(len(data.labels)), size):
                crops: dict[str, list[Tensor]] = {}
                for crop in data.modality.ten_crops(batch):
                    own = encoder(crop)
                    crops.setdefault("encoder", []).append(own)
                    if objective is not None:
                        crops.setdefault("head", []).append(objective.embed(own))
                    for name, start in before.items():
                        crops.setdefault(name, []).append(start(crop))
                crops["raw"] = [data.modality.raw(batch)]
                for name, views in crops.items():
                    mean = torch.stack(views).float().mean(0)
                    parts.setdefault(name, []).append(mean.cpu())
                done += len(batch.index)
                subject.progress("embedding ten crops", done, len(data.labels))
        return {name: torch.cat(rows) for name, rows in parts.items()}

    def _tuned(
        self, subject: Subject, data: VocSamples
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Scores float32[q, c] of the test images for each row, and what was chosen."""
        rows = {
            "encoder": subject.model.encoder,
            **subject.start_encoders(data.samples, data.trainval),
        }
        trained = None
        if self.train == "head":
            trained = head_stages(subject.model.encoder, data.modality.input_shape)
        scores, chosen = {}, {}
        for name, encoder in rows.items():
            tuned = partial(self._tuned_scores, subject, data, name, encoder, trained)
            scores[name], rate = _best(tuned, self.learning_rates, data)
            chosen[name] = {"learning_rate": rate, "trained": trained or "all"}
        return scores, chosen

    def _tuned_scores(
        self,
        subject: Subject,
        data: VocSamples,
        name: str,
        encoder: Encoder,
        trained: list[str] | None,
        rate: float,
        train: Tensor,
        test: Tensor,
    ) -> Tensor:
        model = fine_tune(
            encoder,
            data,
            train,
            trained=trained,
            learning_rate=rate,
            epochs=self.epochs,
            batch_size=self.batch_size,
            seed=subject.evaluation.seed,
            progress=partial(subject.progress, f"fine-tuning, {name}, rate {rate:g}"),
        )
        scores = []
        with torch.no_grad():
            for batch in data.batches(test, subject.evaluation.batch_size):
                crops = [model(crop).sigmoid() for crop in data.modality.ten_crops(batch)]
                scores.append(torch.stack(crops).mean(0).float().cpu())
        return torch.cat(scores)


def _linear_scores(
    rows: Tensor, labels: Tensor, decay: float, train: Tensor, test: Tensor
) -> Tensor:
    return fit_one_vs_rest(rows[train], labels[train], decay)(rows[test])


def _best(
    scores: Callable[[float, Tensor, Tensor], Tensor],
    values: Iterable[float],
    data: VocSamples,
) -> tuple[Tensor, float]:
    """Scores of the test images with the value that is best on validation images, and that value.

    Args:
        scores: maps a value, indices to train on and indices to test on to scores.
        values: the values to choose from; of equally good ones, the first is chosen.
        data: the set.
    """
    values = list(values)

    def quality(value: float) -> float:
        found = scores(value, data.train, data.validation)
        return _means(average_precisions(found, data.labels[data.validation]))["map_area"]

    best = values[0] if len(values) == 1 else max(values, key=quality)
    return scores(best, data.trainval, data.test), best


def _means(found: list[AveragePrecision]) -> dict[str, float]:
    """The means over classes that have an image; 0 where none has."""
    present = [each for each in found if not math.isnan(each.area)]
    return {
        "map_11": fmean(each.eleven_point for each in present) if present else 0.0,
        "map_area": fmean(each.area for each in present) if present else 0.0,
    }


def _shares(labels: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """Percent of the test images with each class: the average precision of random scores."""
    shares = (labels == 1).sum(0) / (labels >= 0).sum(0).clamp(min=1)
    return {name: 100.0 * float(share) for name, share in zip(classes, shares, strict=True)}
