"""Slots that belong to classes: a labelled sample owns slots of its class, another one any.

Which class a slot belongs to is the component of the mixture that its target comes from, so that
nothing is stored for it.

Shapes: n samples, b in the batch, k in the matching, m slots per sample.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.assignment.counter import StreamCounter
from natlib.assignment.table import SLOTS_OF_A_LAYER
from natlib.errors import ConfigError
from natlib.targets import Mixture, TargetDistribution

__all__ = [
    "ClassOwners",
    "allowed_pairs",
    "first_table",
    "fresh_slots",
    "mixture_for_classes",
    "vote",
]

# Slots that are looked through for one batch at most: a class whose slots are rarer is not fed.
_MOST_SEARCHED = 2**24


def mixture_for_classes(targets: Mixture, labelled: Sequence[int], proportional: bool) -> Mixture:
    """The mixture with one component for each class.

    Args:
        targets: a mixture with one component, which all classes get a copy of, or with as many as
            there are classes. Weights that it has stay.
        labelled: labelled samples of each class.
        proportional: whether classes get slots in proportion to these; else equally many.

    Raises:
        ConfigError: it has another number of components.
    """
    classes = len(labelled)
    if len(targets.components) == 1 and targets.weights is None:
        targets = targets.model_copy(update={"repeat": classes})
    if targets.count != classes:
        raise ConfigError(
            f"class_slots needs one component of the mixture for each of {classes} classes, and "
            f"objective.targets has {targets.count}; give one component, which every class gets a "
            f"copy of, or {classes}"
        )
    if targets.weights is None and proportional:
        targets = targets.model_copy(update={"weights": tuple(float(each) for each in labelled)})
    return targets


def allowed_pairs(labels_K: Tensor, classes_MK: Tensor) -> Tensor | None:
    """Which sample may own which slot: bool[m, k, k], or None if all may own all.

    Args:
        labels_K: int64[k], the class of each sample, -1 where it has none.
        classes_MK: int64[m, k], the class of each slot.
    """
    if not bool((labels_K >= 0).any()):
        return None
    return (labels_K[:, None] < 0) | (labels_K[:, None] == classes_MK[:, None, :])


class ClassOwners:
    """Which samples may own which slots, for a refresh of the whole table.

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


def vote(classes_MB: Tensor) -> Tensor:
    """The class int64[b] that most of a sample's m slots belong to, the lowest of equals."""
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
                    "of the slots (objective.class_shares, objective.targets.weights)"
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
        counter: deals slots; not moved on.
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
