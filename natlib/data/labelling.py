"""Which training samples show their labels to the objective, and which count as unlabelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Condition, Seed, Settings
from natlib.configuration import json_text
from natlib.data.base import SampleSet
from natlib.data.concatenated import ConcatenatedSamples
from natlib.data.table_format import TableFormat
from natlib.data.table_names import is_table
from natlib.errors import ConfigError, DataError

__all__ = ["LabelsConfig", "TrainingLabels", "choose_labelled", "training_labels"]


class LabelsConfig(Settings):
    """Labels that are shown to training. Without it, labels serve evaluation only.

    The part that is shown is stratified and depends on nothing but the data and ``seed``, so that
    it is the same in every process, after a resume and in an evaluation. A larger part holds a
    smaller one of the same seed.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("seed",),
            on=("fraction", "per_class"),
            holds=lambda fraction, per_class: fraction is not None or per_class is not None,
            remedy="set {fraction} or {per_class}",
        ),
        Condition(
            ("table",),
            on=("source",),
            holds=lambda source: source is not None and is_table(Path(source)),
            remedy="set {source} to a table of labels",
        ),
    )

    fraction: float | None = Field(default=None, gt=0, le=1)
    """Share of the labels of each class to show; all labels if ``per_class`` is not set either."""
    per_class: int | None = Field(default=None, ge=1)
    """Number of labels of each class to show."""
    seed: Seed = 0
    """Seed of the random choice."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Share of labelled samples in each batch: they are oversampled, though never twice in a batch.
    By default they are as frequent as the others."""
    source: str | None = None
    """Where labels come from, if not from the samples themselves: a table with the columns
    ``name`` and ``label``, or a source of labelled samples that are trained on too."""
    table: TableFormat = TableFormat()
    """How a table of labels is written. What is not set is found from the file."""
    classes: dict[str, int] | None = None
    """Labelled samples of each class. Filled in when a run begins."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fraction is not None and self.per_class is not None:
            raise ValueError(
                "fraction and per_class both say how many labels to show; leave one of them out"
            )
        return self

    def __hash__(self) -> int:
        return hash(json_text(self))


@dataclass(frozen=True)
class TrainingLabels:
    """Labels of a training set of n samples.

    Attributes:
        visible: int64[n], what training sees: -1 for an unlabelled sample.
        known: int64[n], what is known: a metric may look at it, an objective may not.
        classes: what the labels 0, 1, ... stand for.
    """

    visible: Tensor
    known: Tensor
    classes: list[str]

    @property
    def index(self) -> Tensor:
        """int64[l], the labelled samples, in ascending order."""
        return (self.visible >= 0).nonzero().squeeze(1)

    @property
    def counts(self) -> dict[str, int]:
        """Labelled samples of each class."""
        found = torch.bincount(self.visible[self.visible >= 0], minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))


def training_labels(samples: SampleSet, config: LabelsConfig) -> TrainingLabels:
    """The labels of a training set that a run shows to its objective.

    Args:
        samples: the training samples, opened as the run opens them (see
            :func:`natlib.data.training_samples`).
        config: what to show; the ``labels`` of the run's configuration.

    Raises:
        DataError: there are no labels, only one class, or a class without a labelled sample.
    """
    if samples.labels is None or not bool((samples.labels >= 0).any()):
        raise DataError(
            "labels are asked for (labels.*), but no training sample has one; give a source with "
            "labels (a folder for each class, say), or a table of names and labels "
            "(labels.source)"
        )
    known = samples.labels.cpu().long()
    # Classes that occur in other splits only are not classes here.
    present = known[known >= 0].unique()
    number = torch.full((len(samples.classes) + 1,), -1)
    number[present] = torch.arange(len(present))
    known = number[known]
    classes = [samples.classes[label] for label in present.tolist()]
    if len(classes) < 2:
        raise DataError(
            f"all labels are '{classes[0]}', and a single class teaches nothing; give labels of "
            "two classes at least, or train without labels"
        )
    offered = known.clone()
    if isinstance(samples, ConcatenatedSamples):
        offered[: samples.shown_from] = -1
    shown = choose_labelled(
        offered, classes, fraction=config.fraction, per_class=config.per_class, seed=config.seed
    )
    visible = torch.full_like(known, -1)
    visible[shown] = known[shown]
    return TrainingLabels(visible, known, classes)


def choose_labelled(
    labels: Tensor,
    classes: Sequence[str],
    *,
    fraction: float | None = None,
    per_class: int | None = None,
    seed: int = 0,
    settings: tuple[str, str] = ("labels.fraction", "labels.per_class"),
) -> Tensor:
    """A seeded, stratified part of the labelled samples; a larger one holds a smaller one.

    Args:
        labels: int64[n], -1 where a sample has none.
        classes: names of the classes, for errors.
        fraction: share of each class.
        per_class: samples of each class.
        seed: which ones.
        settings: what ``fraction`` and ``per_class`` are called where a user sets them.

    Returns:
        int64[l], sample indices in ascending order.

    Raises:
        ConfigError: both ``fraction`` and ``per_class`` are given.
        DataError: a class has too few labelled samples.
    """
    if fraction is not None and per_class is not None:
        raise ConfigError("give fraction or per_class, not both")
    chosen = []
    for label, name in enumerate(classes):
        members = (labels == label).nonzero().squeeze(1)
        if not len(members):
            raise DataError(
                f"the class '{name}' has no labelled sample; label one, or remove the class"
            )
        wanted = len(members)
        if fraction is not None:
            # Half a sample is rounded up, whatever the rounding of binary fractions.
            wanted = int(fraction * len(members) + 0.5 + 1e-9)
            if wanted < 1:
                raise DataError(
                    f"{settings[0]} {fraction:g} of the {len(members)} labelled samples of the "
                    f"class '{name}' rounds to zero; use {0.5 / len(members):.2g} at least, or "
                    f"{settings[1]}"
                )
        if per_class is not None:
            wanted = per_class
            if wanted > len(members):
                raise DataError(
                    f"{settings[1]} is {per_class}, but the class '{name}' has only "
                    f"{len(members)} labelled samples; use {len(members)} at most"
                )
        # Each class has a generator of its own, so that it does not depend on the others.
        own = torch.Generator().manual_seed((seed * 1_000_003 + label) % 2**63)
        chosen.append(members[torch.randperm(len(members), generator=own)[:wanted]])
    return torch.cat(chosen).sort().values
