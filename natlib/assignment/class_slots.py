"""Choose slots by class: for the first table, for the reassignment of a table, for a batch.

Shapes: n samples, b in the batch, m slots per sample.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.assignment.class_targets import allowed_pairs, class_of
from natlib.assignment.counter import StreamCounter
from natlib.assignment.table import SLOTS_OF_A_LAYER
from natlib.errors import ConfigError
from natlib.targets import Mixture, TargetDistribution

__all__ = ["ClassPairs", "first_table", "fresh_slots"]

# Slots that are searched for one batch, at most; a class whose slots are rarer is an error.
_MOST_SEARCHED = 2**24


class ClassPairs:
    """Which samples may get which slots, for the reassignment of a whole table.

    Args:
        targets: the mixture with a component for each class.
        labels: int64[n], -1 if a sample has none.
    """

    def __init__(self, targets: TargetDistribution, labels: Tensor) -> None:
        self._targets = targets
        self._labels = labels.cpu()

    def __call__(
        self, sample: NDArray[np.int64], slot: NDArray[np.int64], layer: int
    ) -> NDArray[np.bool_] | None:
        """bool[g, g] for g samples and g slots of a layer; None if all pairs are allowed."""
        labels = self._labels[torch.from_numpy(sample)]
        classes = class_of(self._targets, torch.from_numpy(slot) + layer * SLOTS_OF_A_LAYER)
        allowed = allowed_pairs(labels, classes[None])
        return None if allowed is None else allowed[0].numpy()


def first_table(
    labels: Tensor, targets: Mixture, layers: int, seed: int, names: Sequence[str]
) -> Tensor:
    """A random slot of each layer for each sample, of its class if it is labelled.

    Args:
        labels: int64[n], -1 if a sample has none.
        targets: the mixture with a component for each class.
        layers: m.
        seed: seed of the random choice.
        names: the names of the classes, for the error.

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
        classes = targets.component_of(order + layer * SLOTS_OF_A_LAYER)
        free = torch.ones(samples, dtype=torch.bool)
        for label in labels[labels >= 0].unique().tolist():
            members = (labels == label).nonzero().squeeze(1)
            places = (classes == label).nonzero().squeeze(1)
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
    """Unused slots for a batch: the next ones for unlabelled samples, then, for labelled samples,
    the next ones of their class.

    So the targets of the batch follow the mixture for unlabelled samples, and the component of
    the class for labelled ones.

    Args:
        counter: the counter of used slots; it is not advanced.
        labels: int64[b], -1 if a sample has none.
        targets: the mixture with a component for each class.
        layers: m.

    Returns:
        int64[m, b], and by how much to advance the counter; slots in between are skipped.

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
    # Twice as many as equal shares would need; doubled until there are enough.
    window = max(2 * targets.count * max(wanted.values(), default=0), 1)
    while wanted:
        following = counter.peek(begin + window)[begin:].to(labels.device)
        of_slot = targets.component_of(following)
        short = [label for label in classes if int((of_slot == label).sum()) < wanted[label]]
        if not short:
            for label in classes:
                places = (of_slot == label).nonzero().squeeze(1)[: wanted[label]]
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
