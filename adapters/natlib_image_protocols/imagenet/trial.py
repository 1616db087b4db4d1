"""Train and test the perceptrons of all rows of the table on the same crops."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from natlib.data import SampleSet
from natlib.evaluation import Splits, stratified_split
from natlib.evaluation.modes import seeded
from natlib.protocols import MlpTraining, Subject
from natlib.protocols.fitting import Learner, cut, decayed, fit_together
from natlib.protocols.labelled_batches import labelled_batches
from natlib_image.modality import Image
from natlib_image_protocols.imagenet.frozen import FrozenRows
from natlib_image_protocols.imagenet.ten_crops import evaluate_crops

__all__ = ["Candidate", "Trial"]


class Candidate(NamedTuple):
    """Settings to choose from."""

    learning_rate: float
    weight_decay: float

    def __str__(self) -> str:
        return f"{self.learning_rate:g}, {self.weight_decay:g}"


class Trial:
    """Trains and tests a perceptron for each row of the table.

    Each image is decoded, cropped and encoded once for all of them.

    Args:
        subject: the run; its encoder must be in evaluation mode throughout.
        modality: the run's modality, with random crops and flips for views.
        splits: labelled training and test images.
        rows: the frozen features.
        training: how the perceptrons are built and trained.

    Attributes:
        unreadable: for each split, the indices of images that could not be decoded.
    """

    def __init__(
        self,
        subject: Subject,
        modality: Image,
        splits: Splits,
        rows: FrozenRows,
        training: MlpTraining,
    ) -> None:
        self.unreadable: dict[str, set[int]] = {"train": set(), "test": set()}
        self._subject = subject
        self._modality = modality
        self._splits = splits
        self._rows = rows
        self._training = training

    def choose(
        self, candidates: list[Candidate], epochs: int
    ) -> tuple[dict[str, Candidate], dict[str, Any]]:
        """The best candidate of each row on a validation split, and the accuracy of all.

        Of equally good candidates, the first is chosen. With a single candidate, or without
        validation images, nothing is trained.

        Args:
            candidates: the settings to choose from.
            epochs: passes over the training images that are not held out for validation.
        """
        config, splits = self._subject.evaluation, self._splits
        train, validation = stratified_split(
            splits.train_labels, config.validation_fraction, config.seed
        )
        names = list(self._rows.widths)
        tried: dict[str, dict[Candidate, float]] = {name: {} for name in names}
        if len(candidates) > 1 and len(validation):
            wanted = {f"{name}: {each}": (name, each) for name, each in product(names, candidates)}
            fitted = self._fit("choosing settings", wanted, train, epochs)
            found = self._evaluate(
                "choosing settings, validation", fitted, splits.train,
                splits.train_index[validation], splits.train_labels[validation], "train",
            )  # fmt: skip
            for key, (name, each) in wanted.items():
                tried[name][each] = found[key]["top1"]
        # Where nothing was tried, the first candidate.
        chosen = {
            name: max(tried[name], key=tried[name].__getitem__, default=candidates[0])
            for name in names
        }
        choices = {
            name: chosen[name]._asdict()
            | {"validation_accuracy": {str(each): value for each, value in tried[name].items()}}
            for name in names
        }
        return chosen, choices

    def test(self, chosen: Mapping[str, Candidate]) -> dict[str, dict[str, float]]:
        """Accuracies of each row on the test images, after training on all training images."""
        splits = self._splits
        wanted = {name: (name, each) for name, each in chosen.items()}
        everything = torch.arange(len(splits.train_index))
        fitted = self._fit("training", wanted, everything, self._training.epochs)
        return self._evaluate(
            "ten crops", fitted, splits.test, splits.test_index, splits.test_labels, "test"
        )

    def _fit(
        self,
        stage: str,
        wanted: Mapping[str, tuple[str, Candidate]],
        positions: Tensor,
        epochs: int,
    ) -> dict[str, nn.Module]:
        """Perceptrons by name, trained on crops of some of the training images."""
        subject, splits, device = self._subject, self._splits, self._subject.device
        index, labels = splits.train_index[positions], splits.train_labels[positions]
        size = self._training.batch_size

        def batches(_epoch: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
            parts = cut(index[torch.randperm(len(index))], size)
            for batch, truth in labelled_batches(subject, splits.train, index, labels, parts):
                self.unreadable["train"].update(bad.index for bad in batch.unreadable)
                if len(batch.index) > 1:
                    yield self._rows(self._modality.views(batch, 1)[0]), truth

        with seeded(device, subject.evaluation.seed):
            learners = {
                name: self._learner(row, each, epochs) for name, (row, each) in wanted.items()
            }
            fit_together(
                list(learners.values()),
                batches,
                epochs=epochs,
                steps=len(cut(index, size)),
                told=lambda done, total: subject.progress(stage, done, total),
            )
        return {name: learner.module for name, learner in learners.items()}

    def _learner(self, row: str, candidate: Candidate, epochs: int) -> Learner:
        changed = {"weight_decay": candidate.weight_decay}
        training = self._training.model_copy(update=changed)
        mlp = training.build(self._rows.widths[row], len(self._splits.classes))
        module = _On(row, mlp).to(self._subject.device)
        rate = decayed(candidate.learning_rate, epochs)
        return Learner(module, training.optimizer(module), rate)

    def _evaluate(
        self,
        stage: str,
        fitted: Mapping[str, nn.Module],
        samples: SampleSet,
        index: Tensor,
        labels: Tensor,
        split: str,
    ) -> dict[str, dict[str, float]]:
        with seeded(self._subject.device, 0):
            return evaluate_crops(
                self._subject,
                self._modality,
                self._rows,
                fitted,
                samples,
                index,
                labels,
                stage=stage,
                unreadable=self.unreadable[split],
            )


class _On(nn.Module):
    """Applies a perceptron to the features of one row."""

    def __init__(self, row: str, mlp: nn.Module) -> None:
        super().__init__()
        self.mlp = mlp
        self._row = row

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.mlp(features[self._row])
        return logits
