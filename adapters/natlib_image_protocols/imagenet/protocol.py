"""The 2017 paper's evaluation on ImageNet."""

from dataclasses import replace
from itertools import product
from typing import Literal

from pydantic import Field, NonNegativeFloat

from natlib.evaluation import Evaluation, EvaluationDetails
from natlib.evaluation.modes import evaluating, untouched_random
from natlib.protocols import MlpTraining, Protocol, Subject
from natlib_image_protocols.image_subject import file_paths, seen_in_training
from natlib_image_protocols.imagenet.crops import crop_modality
from natlib_image_protocols.imagenet.frozen import FrozenRows
from natlib_image_protocols.imagenet.ten_crops import COLUMNS
from natlib_image_protocols.imagenet.trial import Candidate, Trial

__all__ = ["Imagenet"]


class Imagenet(Protocol):
    """Accuracy of a perceptron on frozen convolutions, trained on random crops, by ten crops.

    As Bojanowski & Joulin (ICML 2017, section 4) judge on ImageNet: the encoder stays as it is up
    to its last map, a fresh multilayer perceptron learns from random crops and flips, and its
    answers are averaged over ten crops. Maps are computed anew in every epoch and never kept.
    The random encoder and the raw pixels of the crops get the same perceptron and the same crops.
    """

    kind: Literal["imagenet"] = "imagenet"
    training: MlpTraining = MlpTraining()
    """The perceptron and its training, by default the paper's."""
    weight_decays: tuple[NonNegativeFloat, ...] | None = Field(default=None, min_length=1)
    """Weight decays to choose from as well as learning rates; by default the one of ``training``
    alone, as in the paper."""
    choice_epochs: int = Field(default=10, ge=1)
    """Passes over the training images while settings are chosen, at most those of ``training``."""
    stage: str | None = None
    """Where encoders are cut off; by default at the last stage that returns a map, which is conv5
    of an ``alexnet``."""
    width: int = Field(default=9216, ge=1)
    """Largest number of features; finer maps are averaged over a grid. The default leaves conv5
    of an ``alexnet``, 256 x 6 x 6, as it is."""
    resize: int | None = Field(default=None, ge=4)
    """Short side of the images that crops are cut from. By default the run's ``data.resize``, or
    256 / 224 of a crop where that is no more than a crop (the four corners would be the middle)."""
    enlarge: bool = False
    """Judge on images that are smaller than a crop, and so have to be enlarged."""

    def run(self, subject: Subject) -> Evaluation:
        modality = crop_modality(subject, self.resize, self.enlarge)
        subject = replace(subject, modality=modality)
        splits = subject.splits()
        own = splits.test_split == "train"  # a part of it is set aside, and everything seen
        seen = [] if own else seen_in_training(subject, file_paths(splits.test, splits.test_index))
        with untouched_random(subject.device), evaluating(subject.model.encoder):
            for samples in (splits.train, splits.test):
                samples.preload(
                    subject.workers,
                    lambda done, total: subject.progress("reading images", done, total),
                )
            rows = FrozenRows(subject, splits, self.stage, self.width)
            trial = Trial(subject, modality, splits, rows, self.training)
            chosen, said = trial.choose(
                self._candidates(), min(self.choice_epochs, self.training.epochs)
            )
            found = trial.judged(chosen)
        unreadable = {name: len(bad) for name, bad in trial.unreadable.items()}
        columns = {name: title for name, title in COLUMNS.items() if name in found["encoder"]}
        return self.result(
            subject,
            "Accuracy on the test images (%)",
            columns,
            found,
            EvaluationDetails(
                train_samples=len(splits.train_index) - unreadable["train"],
                test_samples=len(splits.test_index) - unreadable["test"],
                test_split=splits.test_split,
                held_out=splits.held_out and not seen,
                unreadable=sum(unreadable.values()),
                classes=splits.classes,
                chosen=said,
                more={
                    "stage": rows.stage,
                    "features": rows.widths,
                    "crop": modality.size,
                    "resize": modality.resize,
                    "seen_in_training": len(seen),
                },
            ),
            train_fingerprint=splits.train.fingerprint(),
            test_fingerprint=splits.test.fingerprint(),
        )

    def _candidates(self) -> list[Candidate]:
        rates = sorted(set(self.training.learning_rates), reverse=True)
        decays = self.weight_decays or (self.training.weight_decay,)
        return [Candidate(*each) for each in product(rates, sorted(set(decays)))]
