"""Targets that belong to classes: a labelled sample gets slots of its class, an unlabelled one any.

The class of a slot is the component of the mixture that its target comes from, so nothing is
stored for it.

Shapes: n samples, b in the batch, m slots per sample.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from natlib.assignment.base import Step
from natlib.assignment.labels import check_labels
from natlib.errors import ConfigError
from natlib.targets import Mixture, TargetDistribution

__all__ = [
    "ClassShares",
    "SampleClasses",
    "allowed_pairs",
    "check_class_targets",
    "class_of",
    "majority_class",
    "targets_of_classes",
]

ClassShares = Literal["labelled", "equal", "weights"]
"""How many slots each class has: in proportion to its labelled samples, as many as the other
classes, or in proportion to the weights of the mixture."""


def check_class_targets(shares: ClassShares | None, targets: TargetDistribution) -> None:
    """Refuse targets that have no classes.

    Raises:
        ValueError: ``shares`` is set, and targets are not a mixture, or it lacks weights.
    """
    if shares is None:
        return
    if not isinstance(targets, Mixture):
        raise ValueError(
            "assignment.class_targets gives each class a component of a mixture, and targets are "
            f"'{targets.kind}'; set targets.kind to mixture, or assignment.class_targets to null"
        )
    if shares == "weights" and targets.weights is None:
        raise ValueError(
            "assignment.class_targets is 'weights', and the mixture has none; set "
            "targets.weights, or assignment.class_targets to labelled or equal"
        )


def targets_of_classes(
    shares: ClassShares | None, targets: TargetDistribution, labelled: Sequence[int]
) -> TargetDistribution:
    """The mixture with one component for each class; without ``shares``, the targets unchanged.

    Args:
        shares: how many slots each class has; None if targets have no classes.
        targets: a mixture with one component for each class, or with a single component, which
            is then copied for each class.
        labelled: the number of labelled samples of each class.

    Raises:
        ConfigError: the mixture has another number of components, or weights that ``shares``
            does not use.
    """
    if shares is None:
        return targets
    assert isinstance(targets, Mixture)
    classes = len(labelled)
    if len(targets.components) == 1 and targets.repeat is None:
        targets = targets.model_copy(update={"repeat": classes})
    if targets.count != classes:
        raise ConfigError(
            f"class_targets needs one component of the mixture for each of {classes} classes, and "
            f"objective.targets has {targets.count}; give one component and leave repeat out, or "
            f"give {classes} components with repeat 1"
        )
    if shares == "weights":
        return targets
    weights = tuple(float(each) for each in labelled) if shares == "labelled" else None
    if targets.weights not in (None, weights):
        raise ConfigError(
            f"objective.targets.weights is {list(targets.weights or ())}, and class_targets "
            f"'{shares}' does not use it; leave weights out, or set class_targets to weights"
        )
    return targets.model_copy(update={"weights": weights})


def class_of(targets: TargetDistribution, slots: Tensor) -> Tensor:
    """The class of each slot, int64 of the same shape."""
    assert isinstance(targets, Mixture)
    return targets.component_of(slots)


def majority_class(classes_MB: Tensor) -> Tensor:
    """The most frequent class int64[b] among a sample's m slots; the lowest of several."""
    return classes_MB.mode(0).values


def allowed_pairs(labels_B: Tensor, classes_MB: Tensor) -> Tensor | None:
    """Which samples may get which slots: bool[m, b, b], or None if all pairs are allowed.

    Args:
        labels_B: int64[b], the class of each sample, -1 if it has none.
        classes_MB: int64[m, b], the class of each slot.
    """
    if not bool((labels_B >= 0).any()):
        return None
    return (labels_B[:, None] < 0) | (labels_B[:, None] == classes_MB[:, None, :])


class SampleClasses:
    """The classes of the samples whose labels training sees.

    Args:
        targets: the mixture with a component for each class.
        persistent: whether samples keep slots between steps, so that all labels have to be known
            before the first one.
    """

    def __init__(self, targets: TargetDistribution, *, persistent: bool) -> None:
        assert isinstance(targets, Mixture)
        self.targets = targets
        self.known: Tensor | None = None
        self._persistent = persistent

    def take(self, labels: Tensor) -> None:
        """Store the class of each sample, int64[n], -1 where training sees none.

        Raises:
            ConfigError: labels are of more classes than targets.
        """
        self.known = check_labels(labels, "nat", self.targets.count)

    def of_batch(self, step: Step, device: torch.device) -> Tensor:
        """The class of each sample of a batch, int64[b], -1 if it has none.

        Raises:
            ConfigError: the classes are not known.
        """
        if self.known is not None and step.index is not None:
            self.known = self.known.to(device, non_blocking=True)
            return self.known[step.index.to(device, non_blocking=True)]
        if self._persistent:
            raise ConfigError(
                "the slots of a class are kept between steps, and the labels are not known: call "
                "take_labels(labels, classes) once, and give the index of each sample"
            )
        return check_labels(step.labels, "nat", self.targets.count).to(device)
