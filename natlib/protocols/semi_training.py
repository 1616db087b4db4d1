"""Training with a few labels, from the configuration of a run that has seen none."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import ValidationError
from torch import Tensor

from natlib.assignment import Assignment, Bank, Stream
from natlib.configuration import describe
from natlib.data import TrainingLabels
from natlib.encoders import Encoder
from natlib.errors import ConfigError
from natlib.evaluation import Splits
from natlib.evaluation.modes import seeded
from natlib.objectives import (
    NAT,
    Combined,
    CombinedModule,
    Objective,
    ObjectiveModule,
    Part,
    Supervised,
)
from natlib.protocols.base import Subject
from natlib.runtime.progress import SilentProgress
from natlib.targets import Mixture, ProjectedNormal
from natlib.training.batch_norm import synchronise_batch_norm
from natlib.training.learner import Learner
from natlib.training.loop import Loop
from natlib.training.processes import Processes
from natlib.training.pseudo_labels import PSEUDO_LABEL_ACCURACY

__all__ = ["METHODS", "Method", "SemiTrained", "nat_of", "semi_objective", "train_with_labels"]

Method = Literal["classifier", "class_targets", "both"]
METHODS: dict[Method, str] = {
    "classifier": "NAT + classifier",
    "class_targets": "NAT with class targets",
    "both": "both",
}


@dataclass(frozen=True)
class SemiTrained:
    """Encoder and classifier that were trained with few labels.

    Attributes:
        encoder: in evaluation mode.
        classifier: from its features to class scores, where there is one.
        pseudo_labels: percent of the samples whose label was not shown that were assigned slots
            of their class, over the last epoch; None without class targets.
    """

    encoder: Encoder
    classifier: ObjectiveModule | None
    pseudo_labels: float | None


def nat_of(objective: Objective) -> NAT:
    """The NAT objective of a run; the first one where objectives are combined.

    Raises:
        ConfigError: there is none.
    """
    parts = [objective]
    if isinstance(objective, Combined):
        parts = [part.objective for part in objective.parts.values()]
    for part in parts:
        if isinstance(part, NAT):
            return part
    raise ConfigError(
        f"the protocol 'semi' trains NAT with a few labels, and this run's objective is "
        f"'{objective.kind}'; evaluate a run of NAT, or use the protocol 'few_labels'"
    )


def semi_objective(nat: NAT, method: Method, weight: float, spread: float) -> Objective:
    """NAT with a classifier, with class targets, or with both.

    Args:
        nat: NAT without labels.
        method: what to add.
        weight: weight of the classifier in the loss.
        spread: spread of the targets of each class around their centre.

    Raises:
        ConfigError: this NAT cannot have class targets.
    """
    if method != "classifier":
        clusters = Mixture(dim=nat.targets.dim, components=(ProjectedNormal(spread=spread),))
        changed = {"targets": clusters, "assignment": _by_class(nat.assignment)}
        try:
            nat = NAT.model_validate(nat.model_dump() | changed)
        except ValidationError as error:
            raise ConfigError(f"class targets do not fit this run: {describe(error)}") from error
    if method == "class_targets":
        return nat
    labels = Part(objective=Supervised(views=nat.views), weight=weight)
    return Combined(views=nat.views, parts={"nat": Part(objective=nat), "labels": labels})


def _by_class(assignment: Assignment) -> Assignment:
    """The assignment of a run, with targets that belong to classes."""
    if isinstance(assignment, Bank):
        # Embeddings for a reassignment would need a folder that outlives this.
        return assignment.model_copy(update={"class_targets": "labelled", "reassign": None})
    if isinstance(assignment, Stream):
        return assignment.model_copy(update={"class_targets": "labelled"})
    # Cells have no slots that could belong to a class.
    return Stream(class_targets="labelled")


def train_with_labels(
    subject: Subject,
    objective: Objective,
    splits: Splits,
    positions: Tensor,
    *,
    share: float,
    epochs: int | None,
    seed: int,
) -> SemiTrained:
    """Train a fresh encoder as the run was trained, but for the objective and the labels.

    Args:
        subject: gives encoder recipe, modality and the settings of training.
        objective: from :func:`semi_objective`.
        splits: where the training samples and their labels are.
        positions: int64[l], the labels that are shown, as positions in ``splits.train_index``.
        share: of labelled samples in a batch.
        epochs: passes over the samples; as many as the run had by default.
        seed: of weights, order and views.
    """
    known = torch.full((len(splits.train),), -1)
    known[splits.train_index] = splits.train_labels
    visible = torch.full_like(known, -1)
    shown = splits.train_index[positions]
    visible[shown] = known[shown]
    labels = TrainingLabels(visible, known, splits.classes)
    changed = {"seed": seed, "compile": False, "epochs": epochs or subject.config.training.epochs}
    config = subject.config.training.model_copy(update=changed)
    device = subject.device
    with seeded(device, seed), torch.enable_grad():
        encoder = subject.model.recipe.build(subject.modality.input_shape)
        counts = list(labels.counts.values())
        module = objective.for_classes(counts).build(encoder.dim, samples=len(splits.train))
        module.take_labels(visible, splits.classes)
        learner = Learner(encoder, module)
        synchronise_batch_norm(learner, device)
        loop = Loop(
            config,
            subject.modality,
            splits.train,
            learner,
            objective.views,
            Processes(0, 1, device),
            subject.workers,
            labels,
            share,
        )
        for position in loop.run(SilentProgress()):
            subject.progress("training with labels", position.step, loop.updates)
            if position.epoch == config.epochs - 1 and position.epoch_step == 0:
                loop.meter.restart()  # of the last epoch alone
    learner.eval()
    return SemiTrained(
        encoder,
        module.modules_by_name()["labels"] if isinstance(module, CombinedModule) else None,
        loop.meter.read(updates_left=0).get(PSEUDO_LABEL_ACCURACY),
    )
