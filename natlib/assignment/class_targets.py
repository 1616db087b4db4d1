"""Targets that belong to classes: a labelled sample owns slots of its class, another one any.

The class of a slot is the component of the mixture that its target comes from, so that nothing is
stored for it.

Shapes: n samples, b in the batch, m slots per sample.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.assignment.base import Step
from natlib.assignment.counter import StreamCounter
from natlib.assignment.labels import check_labels
from natlib.assignment.table import SLOTS_OF_A_LAYER
from natlib.errors import ConfigError
from natlib.targets import Mixture, TargetDistribution

__all__ = [
    "ClassOwners",
    "ClassShares",
    "SampleClasses",
    "allowed_pairs",
    "check_class_targets",
    "class_of",
    "first_table",
    "fresh_slots",
    "majority_class",
    "targets_of_classes",
]

ClassShares = Literal["labelled", "equal"]

# Slots that are looked through for one batch at most: a class whose slots are rarer is not fed.
_MOST_SEARCHED = 2**24


def check_class_targets(shares: ClassShares | None, targets: TargetDistribution) -> None:
    """Refuse targets that have no classes.

    Raises:
        ValueError: targets are to belong to classes, and are not a mixture.
    """
    if shares is not None and not isinstance(targets, Mixture):
        raise ValueError(
            "assignment.class_targets gives each class a component of a mixture, and targets are "
            f"'{targets.kind}'; set targets.kind to mixture, or assignment.class_targets to null"
        )


def targets_of_classes(
    shares: ClassShares | None, targets: TargetDistribution, labelled: Sequence[int]
) -> TargetDistribution:
    """The mixture with one component for each class; other targets stay as they are.

    Args:
        shares: how many slots each class gets: in proportion to its labelled samples, or equally
            many. Weights that the mixture has come first. None if targets have no classes.
        targets: a mixture with one component, which all classes get a copy of, or with as many as
            there are classes.
        labelled: the number of labelled samples of each class.

    Raises:
        ConfigError: the mixture has another number of components.
    """
    if shares is None:
        return targets
    assert isinstance(targets, Mixture)
    classes = len(labelled)
    if len(targets.components) == 1 and targets.weights is None:
        targets = targets.model_copy(update={"repeat": classes})
    if targets.count != classes:
        raise ConfigError(
            f"class_targets needs one component of the mixture for each of {classes} classes, and "
            f"objective.targets has {targets.count}; give one component, which every class gets a "
            f"copy of, or {classes}"
        )
    if targets.weights is None and shares == "labelled":
        targets = targets.model_copy(update={"weights": tuple(float(each) for each in labelled)})
    return targets


def class_of(targets: TargetDistribution, slots: Tensor) -> Tensor:
    """The class of each slot, int64 of the same shape."""
    assert isinstance(targets, Mixture)
    return targets.component_of(slots)


class SampleClasses:
    """The classes of samples, as far as training sees them.

    Args:
        targets: the mixture with a component for each class.
        kept: whether samples keep slots from step to step, so that their labels have to be known
            before the first one.
    """

    def __init__(self, targets: TargetDistribution, *, kept: bool) -> None:
        assert isinstance(targets, Mixture)
        self.targets = targets
        self.known: Tensor | None = None
        self._kept = kept

    def take(self, labels: Tensor) -> None:
        """Learn the class of each sample, int64[n], -1 where training sees none.

        Raises:
            ConfigError: labels of more classes than targets have.
        """
        self.known = check_labels(labels, "nat", self.targets.count)

    def of_batch(self, step: Step, device: torch.device) -> Tensor:
        """The class of each sample of a batch, int64[b], -1 where it has none.

        Raises:
            ConfigError: they are not known.
        """
        if self.known is not None and step.index is not None:
            self.known = self.known.to(device, non_blocking=True)
            return self.known[step.index.to(device, non_blocking=True)]
        if self._kept:
            raise ConfigError(
                "targets of classes are kept from batch to batch: call "
                "take_labels(labels, classes) once, and give the index of each sample"
            )
        return check_labels(step.labels, "nat", self.targets.count).to(device)


def allowed_pairs(labels_B: Tensor, classes_MB: Tensor) -> Tensor | None:
    """Which sample may own which slot: bool[m, b, b], or None if all may own all.

    Args:
        labels_B: int64[b], the class of each sample, -1 where it has none.
        classes_MB: int64[m, b], the class of each slot.
    """
    if not bool((labels_B >= 0).any()):
        return None
    return (labels_B[:, None] < 0) | (labels_B[:, None] == classes_MB[:, None, :])


class ClassOwners:
    """Which samples may own which slots, for the reassignment of a whole table.

    Args:
        targets: what slots belong to.
        labels: int64[n], -1 where a sample has none.
    """

    def __init__(self, targets: TargetDistribution, labels: Tensor) -> None:
        assert isinstance(targets, Mixture)
        self._targets = targets
        self._labels = labels.cpu()

    def __call__(
        self, sample: NDArray[np.int64], slot: NDArray[np.int64], layer: int
    ) -> NDArray[np.bool_] | None:
        """bool[g, g] for g samples and g slots of a layer; None if all may own all."""
        labels = self._labels[torch.from_numpy(sample)]
        owner = self._targets.component_of(torch.from_numpy(slot) + layer * SLOTS_OF_A_LAYER)
        allowed = allowed_pairs(labels, owner[None])
        return None if allowed is None else allowed[0].numpy()


def majority_class(classes_MB: Tensor) -> Tensor:
    """The class int64[b] of most of a sample's m slots; of equals the lowest."""
    return classes_MB.mode(0).values


def first_table(
    labels: Tensor, targets: Mixture, layers: int, seed: int, names: Sequence[str]
) -> Tensor:
    """Random slots of a layer for each sample, of its class where it is labelled.

    Args:
        labels: int64[n], -1 where a sample has none.
        targets: what slots belong to.
        layers: m.
        seed: of the choice.
        names: what classes are called, for the error.

    Returns:
        int64[m, n], a permutation in each layer.

    Raises:
        ConfigError: a class has more labelled samples than slots.
    """
    samples = len(labels)
    generator = torch.Generator().manual_seed(seed)
    table = torch.empty(layers, samples, dtype=torch.int64)
    for layer in range(layers):
        order = torch.randperm(samples, generator=generator)
        owner = targets.component_of(order + layer * SLOTS_OF_A_LAYER)
        free = torch.ones(samples, dtype=torch.bool)
        for label in labels[labels >= 0].unique().tolist():
            members = (labels == label).nonzero().squeeze(1)
            places = (owner == label).nonzero().squeeze(1)
            if len(members) > len(places):
                raise ConfigError(
                    f"the class '{names[label]}' has {len(members)} labelled samples and only "
                    f"{len(places)} of {samples} slots, so they cannot own one each; show fewer "
                    "labels (labels.fraction, labels.per_class), or give the class a larger share "
                    "of the slots (assignment.class_targets, objective.targets.weights)"
                )
            places = places[: len(members)]
            table[layer, members] = order[places]
            free[places] = False
        table[layer, labels < 0] = order[free]
    return table


def fresh_slots(
    counter: StreamCounter, labels: Tensor, targets: Mixture, layers: int
) -> tuple[Tensor, int]:
    """Slots that nobody has had: for unlabelled samples the next ones, for labelled ones the next
    of their class.

    So the slots of a batch are what its samples are expected to be: the mixture for those that
    nobody knows, the component of the class for those that are known.

    Args:
        counter: of the slots that are used up; not moved on.
        labels: int64[b], -1 where a sample has none.
        targets: what slots belong to.
        layers: m.

    Returns:
        int64[m, b], and how many slots of the counter are used up, some of them left out.

    Raises:
        ConfigError: a class has hardly any slots.
    """
    slots = torch.empty(layers, len(labels), dtype=torch.int64, device=labels.device)
    unlabelled = labels < 0
    begin = layers * int(unlabelled.sum())
    used = begin
    if begin:
        slots[:, unlabelled] = counter.peek(begin).view(layers, -1).to(labels.device)
    classes = labels[~unlabelled].unique().tolist()
    wanted = {label: layers * int((labels == label).sum()) for label in classes}
    # As many as equal shares would take, and again as many until there are enough.
    window = max(2 * targets.count * max(wanted.values(), default=0), 1)
    while wanted:
        following = counter.peek(begin + window)[begin:].to(labels.device)
        owner = targets.component_of(following)
        short = [label for label in classes if int((owner == label).sum()) < wanted[label]]
        if not short:
            for label in classes:
                places = (owner == label).nonzero().squeeze(1)[: wanted[label]]
                slots[:, labels == label] = following[places].view(layers, -1)
                used = max(used, begin + int(places[-1]) + 1)
            break
        if window >= _MOST_SEARCHED:
            raise ConfigError(
                f"class {short[0]} has hardly any slots: fewer than {wanted[short[0]]} of the next "
                f"{window}; give it a larger share (objective.targets.weights)"
            )
        window *= 2
    return slots, used
