"""Perceptrons of all rows, trained on the same crops and judged on the same images."""

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
from natlib_image_protocols.imagenet.ten_crops import judge_crops

__all__ = ["Candidate", "Trial"]


class Candidate(NamedTuple):
    """Settings to choose from."""

    learning_rate: float
    weight_decay: float

    def __str__(self) -> str:
        return f"{self.learning_rate:g}, {self.weight_decay:g}"


class Trial:
    """Trains a perceptron for each row of the table, and judges it.

    An image is decoded, cropped and sent through the encoders once for all of them.

    Args:
        subject: what is judged; its encoder must be in evaluation mode throughout.
        modality: the subject's, with random crops and flips for views.
        splits: labelled training and test images.
        rows: what is frozen.
        training: of the perceptrons.

    Attributes:
        unreadable: the images that could not be decoded, of each split by number.
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
        """The candidate of each row that is best on a validation split, and how each did.

        Of equally good ones the first. With nothing to choose from, or on, nothing is trained.

        Args:
            candidates: what to choose from.
            epochs: passes over the images that are not set aside.
        """
        config, splits = self._subject.evaluation, self._splits
        kept, aside = stratified_split(splits.train_labels, config.validation_fraction, config.seed)
        names = list(self._rows.widths)
        tried: dict[str, dict[Candidate, float]] = {name: {} for name in names}
        if len(candidates) > 1 and len(aside):
            wanted = {f"{name}: {each}": (name, each) for name, each in product(names, candidates)}
            fitted = self._fit("choosing settings", wanted, kept, epochs)
            found = self._judge(
                "choosing settings, validation", fitted, splits.train,
                splits.train_index[aside], splits.train_labels[aside], "train",
            )  # fmt: skip
            for key, (name, each) in wanted.items():
                tried[name][each] = found[key]["top1"]
        # The first stands alone where nothing was tried.
        chosen = {
            name: max(tried[name], key=tried[name].__getitem__, default=candidates[0])
            for name in names
        }
        said = {
            name: chosen[name]._asdict()
            | {"validation_accuracy": {str(each): right for each, right in tried[name].items()}}
            for name in names
        }
        return chosen, said

    def judged(self, chosen: Mapping[str, Candidate]) -> dict[str, dict[str, float]]:
        """What each row's perceptron gets on the test images, having learnt from all others."""
        splits = self._splits
        wanted = {name: (name, each) for name, each in chosen.items()}
        everything = torch.arange(len(splits.train_index))
        fitted = self._fit("training", wanted, everything, self._training.epochs)
        return self._judge(
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

    def _judge(
        self,
        stage: str,
        fitted: Mapping[str, nn.Module],
        samples: SampleSet,
        index: Tensor,
        labels: Tensor,
        split: str,
    ) -> dict[str, dict[str, float]]:
        with seeded(self._subject.device, 0):
            return judge_crops(
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
    """A perceptron on the features of one row."""

    def __init__(self, row: str, mlp: nn.Module) -> None:
        super().__init__()
        self.mlp = mlp
        self._row = row

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.mlp(features[self._row])
        return logits
