"""The 2017 paper's evaluation on ImageNet."""

from dataclasses import replace
from itertools import product
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from natlib.component import Condition
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
    """Accuracy of a perceptron on frozen convolutions: trained on random crops, tested on ten.

    The evaluation of Bojanowski & Joulin (ICML 2017, section 4) on ImageNet: the encoder is frozen
    up to its last feature map, a fresh multilayer perceptron is trained on random crops and flips,
    and its predictions are averaged over ten crops. Feature maps are recomputed in every epoch and
    never stored. The baselines, a random encoder and the raw pixels of the crops, get the same
    perceptron and the same crops.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("choice_epochs",),
            on=("training.learning_rates", "weight_decays"),
            holds=lambda rates, decays: len(set(rates)) > 1 or len(set(decays or ())) > 1,
            remedy="give {training.learning_rates} or {weight_decays} several",
        ),
    )

    kind: Literal["imagenet"] = "imagenet"
    training: MlpTraining = MlpTraining()
    """The perceptron and its training, by default the paper's."""
    weight_decays: tuple[NonNegativeFloat, ...] | None = Field(default=None, min_length=1)
    """Weight decays to choose from, along with the learning rates; by default only that of
    ``training``, as in the paper."""
    choice_epochs: int = Field(default=10, ge=1)
    """Passes over the training images while settings are chosen, at most those of ``training``."""
    stage: str | None = None
    """Stage whose output is classified; by default the last one that returns a feature map, which
    is conv5 of an ``alexnet``."""
    width: int = Field(default=9216, ge=1)
    """Largest number of features; larger maps are averaged over a grid. The default keeps conv5
    of an ``alexnet``, 256 x 6 x 6, as it is."""
    resize: int | None = Field(default=None, ge=4)
    """Short side of the images that crops are cut from. By default the run's ``data.resize``; if
    that is no larger than a crop, so that all ten crops would be the same, 256 / 224 of a crop."""
    enlarge: bool = False
    """Accept images that are smaller than a crop, and enlarge them."""

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
            chosen, choices = trial.choose(
                self._candidates(), min(self.choice_epochs, self.training.epochs)
            )
            found = trial.test(chosen)
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
                chosen=choices,
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
