"""The labelled samples that probes are trained on, and those that they are tested on."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet, Split, noted, notes_of
from natlib.errors import DataError

__all__ = [
    "Splits",
    "find_splits",
    "has_labels",
    "split_training_samples",
    "stratified_split",
]

_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Splits:
    """Labelled samples for probes.

    Attributes:
        train: where the training samples are.
        test: where the test samples are; the same set as ``train`` if nothing is held out.
        train_index: int64, labelled samples of ``train``.
        test_index: int64, labelled samples of ``test``.
        train_labels: int64, the classes of ``train_index``.
        test_labels: int64, the classes of ``test_index``, numbered as in ``classes``.
        classes: names of the classes.
        test_split: the split that the test samples come from.
        held_out: whether the test samples are kept from training. If not, the encoder
            has seen them, though never their labels.
    """

    train: SampleSet
    test: SampleSet
    train_index: Tensor
    test_index: Tensor
    train_labels: Tensor
    test_labels: Tensor
    classes: list[str]
    test_split: Split
    held_out: bool

    @property
    def notes(self) -> list[str]:
        """What the source leaves out or guesses, a line each."""
        return list(dict.fromkeys([*noted(self.train), *notes_of(self.test)]))

    def check_classes(self) -> None:
        """Refuse training samples of a single class.

        Raises:
            DataError: there is nothing to tell apart.
        """
        present = self.train_labels.unique()
        if len(present) < 2:
            raise DataError(
                f"all labels are '{self.classes[int(present[0])]}', and with a single class "
                "there is nothing to tell apart; give a source with two classes at least"
            )

    def limited(self, train: int | None, test: int | None, seed: int) -> "Splits":
        """The same with random subsets of at most so many samples; None keeps all."""
        own = torch.Generator().manual_seed(seed)
        keep_train = _some(len(self.train_index), train, own)
        keep_test = _some(len(self.test_index), test, own)
        return self.chosen(keep_train, keep_test)

    def chosen(self, train: Tensor | None = None, test: Tensor | None = None) -> "Splits":
        """The same with some of the samples, int64 positions; None keeps all."""
        rows = slice(None) if train is None else train
        asked = slice(None) if test is None else test
        return replace(
            self,
            train_index=self.train_index[rows],
            test_index=self.test_index[asked],
            train_labels=self.train_labels[rows],
            test_labels=self.test_labels[asked],
        )


def has_labels(samples: SampleSet | None) -> bool:
    """Whether any usable sample has a label."""
    return samples is not None and len(_labelled(samples)) > 0


def find_splits(
    modality: Modality,
    *,
    seed: int,
    train: SampleSet | None = None,
    test: SampleSet | None = None,
    cache: Path | None = None,
    seen: Tensor | None = None,
) -> Splits:
    """The labelled training samples, and the test samples that the source offers.

    Test samples come from the split ``test``, else ``val``; if neither has labels, a
    fifth of the training samples of each class is set aside.

    Args:
        modality: what knows the source.
        seed: seed of that fifth.
        train: the training samples, if they are open already.
        test: the test samples, if they are open already.
        cache: a folder in which an index of the source may be kept.
        seen: int64, training samples whose labels training saw: they are not set aside.

    Raises:
        DataError: there are no labels, or the splits have different classes.
    """
    train = modality.dataset("train", cache) if train is None else train
    if train is None or not has_labels(train):
        raise DataError(
            "no training sample has a label, so there is nothing to evaluate features by; "
            "give a source with labels (a folder for each class, say)"
        )
    split: Split = "test"
    if test is None:
        for split in ("test", "val"):
            found = modality.dataset(split, cache)
            if has_labels(found):
                test = found
                break
    elif not has_labels(test):
        raise DataError("no test sample has a label; give labelled test samples, or none")
    if test is None:
        return split_training_samples(train, seed, seen)
    train_index = _labelled(train)
    train_labels = _labels(train, train_index)
    test_index = _labelled(test)
    test_labels = _renumbered(_labels(test, test_index), test.classes, train.classes)
    return Splits(
        train,
        test,
        train_index,
        test_index,
        train_labels,
        test_labels,
        list(train.classes),
        split,
        held_out=True,
    )


def split_training_samples(train: SampleSet, seed: int, seen: Tensor | None = None) -> Splits:
    """A fifth of the labelled training samples of each class set aside to test on.

    Args:
        train: the training samples.
        seed: seed of the choice.
        seen: int64, samples whose labels training saw. None of them is set aside; of a class that
            has few others, these.

    Raises:
        DataError: no class has two labelled samples, or training saw all labels.
    """
    index = _labelled(train)
    labels = _labels(train, index)
    free = None if seen is None else ~torch.isin(index, seen.cpu())
    if free is not None and not bool(free.any()):
        raise DataError(
            "training saw all labels that there are, so no sample is left to test on; give a "
            "test split, or show fewer labels (--label-fraction)"
        )
    kept, aside = stratified_split(labels, _TEST_SHARE, seed, free)
    if not len(aside):
        raise DataError(
            "no class has two labelled samples, so none can be set aside for a test; "
            "give a test split, or more samples"
        )
    return Splits(
        train,
        train,
        index[kept],
        index[aside],
        labels[kept],
        labels[aside],
        list(train.classes),
        "train",
        held_out=False,
    )


def stratified_split(
    labels: Tensor, share: float, seed: int, free: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Set aside a random share of each class.

    Of a class with two or more samples at least one is set aside and at least one is
    kept; a class with a single one is kept.

    Args:
        labels: int64[n].
        share: between 0 and 1.
        seed: seed of the choice.
        free: bool[n], what may be set aside; everything by default. A class may lack it.

    Returns:
        Positions that are kept and that are set aside, each in rising order.
    """
    own = torch.Generator().manual_seed(seed)
    aside = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels):
        members = (labels == label).nonzero().squeeze(1)
        wanted = min(max(round(share * len(members)), 1), len(members) - 1)
        order = members[torch.randperm(len(members), generator=own)]
        if free is not None:
            order = order[free[order]]
        aside[order[:wanted]] = True
    return (~aside).nonzero().squeeze(1), aside.nonzero().squeeze(1)


def _labelled(samples: SampleSet) -> Tensor:
    if samples.labels is None:
        return torch.empty(0, dtype=torch.int64)
    usable = samples.usable.cpu()
    return usable[samples.labels.cpu()[usable] >= 0]


def _labels(samples: SampleSet, index: Tensor) -> Tensor:
    assert samples.labels is not None
    return samples.labels.cpu()[index].long()


def _renumbered(labels: Tensor, own: list[str], wanted: list[str]) -> Tensor:
    """Labels as positions in ``wanted``; a split that lacks a class numbers them otherwise."""
    if own == wanted:
        return labels
    present = [own[label] for label in sorted(set(labels.tolist()))]
    extra = [name for name in present if name not in wanted]
    if extra:
        raise DataError(
            f"test samples have classes that no training sample has: {', '.join(extra[:5])}; "
            "name classes alike in both splits"
        )
    number = {name: position for position, name in enumerate(wanted)}
    table = torch.tensor([number.get(name, -1) for name in own])
    return table[labels]


def _some(count: int, limit: int | None, generator: torch.Generator) -> Tensor:
    if limit is None or limit >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:limit].sort().values
