"""What a few labels are worth with Noise As Targets and without."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from natlib.component import register
from natlib.data.sparse import rows_of
from natlib.errors import ConfigError
from natlib.evaluation import EmbeddedSplits, Figure, ProtocolResult, Splits, encode, percent
from natlib.evaluation.embedded_splits import labels_of
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.finetuning import FineTuning, fine_tune
from natlib.protocols.label_parts import LabelPart, label_parts
from natlib.protocols.probing import Probed, probe
from natlib.protocols.semi_training import (
    METHODS,
    Method,
    SemiTrained,
    nat_of,
    semi_objective,
    train_with_labels,
)

__all__ = ["Semi"]

Fraction = Annotated[float, Field(gt=0, lt=1)]
_FROZEN = {"encoder": "NAT, frozen", "random": "random encoder, frozen", "raw": "raw inputs"}
_TUNED = {"random": "supervised, from scratch", "encoder": "NAT, fine-tuned"}


@register
class Semi(Protocol):
    """Accuracy with a part of the labels: supervised, NAT first, or both at once.

    Rows are supervised training from scratch on the labels of the part; linear probes on frozen
    features, which see the same labels; fine-tuning; and training from scratch as the run was
    trained, on all samples, with the labels of the part: with a classifier (a), with slots that
    belong to classes (b, judged by a linear probe that sees the same labels), with both. The run
    that is judged has to be NAT without labels.
    """

    kind: Literal["semi"] = "semi"
    fractions: tuple[Fraction, ...] = (0.01, 0.1)
    """Shares of the labels of each class."""
    per_class: tuple[PositiveInt, ...] = (4,)
    """Numbers of labels of each class."""
    seeds: int = Field(default=3, ge=1)
    """How many seeds figures are averaged over; each draws parts of its own."""
    finetune: FineTuning = FineTuning()
    """How supervised training and fine-tuning go."""
    methods: tuple[Method, ...] = ("a", "b", "ab")
    """Which of the ways to train with labels: ``a``, ``b``, ``ab``."""
    share: float = Field(default=0.25, gt=0, lt=1)
    """Share of labelled samples in a batch of theirs."""
    weight: float = Field(default=1.0, gt=0)
    """Weight of the classifier in their loss, beside NAT."""
    spread: float = Field(default=0.5, gt=0)
    """Spread of the cluster of targets of each class."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes of theirs over all samples; by default as many as the run had."""

    def run(self, subject: Subject) -> ProtocolResult:
        if subject.config.labels is not None:
            raise ConfigError(
                "this run has seen labels itself, so nothing that begins with it is without them; "
                "judge a run that was trained without (no --label-fraction, say)"
            )
        nat = nat_of(subject.config.objective)
        parts = label_parts(self.fractions, self.per_class)
        splits = subject.splits()
        self._drawn(parts, splits, subject.evaluation.seed)  # to say what is wrong at once
        found = subject.embedded(splits)
        splits = found.splits
        splits.train.preload(subject.workers)
        drawn = self._drawn(parts, splits, subject.evaluation.seed)
        first = subject.evaluation.seed
        rows: dict[str, dict[str, Figure]] = {}
        chosen: dict[str, dict[str, Any]] = {}
        pseudo: dict[str, dict[str, list[float]]] = {}

        def each(row: str, judge: Callable[[Tensor, int], tuple[float, Any]]) -> None:
            for part in parts:
                shown = [judge(one, first + n) for n, one in enumerate(drawn[part])]
                rows.setdefault(row, {})[part.title] = Figure.of([right for right, _ in shown])
                chosen.setdefault(row, {})[part.title] = [said for _, said in shown]

        for start, name in _TUNED.items():
            each(name, lambda one, seed, start=start: self._tuned(subject, splits, start, one, seed))
        for kind, name in _FROZEN.items():
            each(name, lambda one, _seed, kind=kind: _probed(subject, found, kind, one))
        for method in self.methods:
            objective = semi_objective(nat, method, self.weight, self.spread)
            for part in parts:
                shown = []
                for number, one in enumerate(drawn[part]):
                    trained = train_with_labels(
                        subject,
                        objective,
                        splits,
                        one,
                        share=self.share,
                        epochs=self.epochs,
                        seed=first + number,
                    )
                    shown.append(_judged(subject, trained, splits, one))
                    if trained.pseudo_labels is not None:
                        guesses = pseudo.setdefault(METHODS[method], {}).setdefault(part.title, [])
                        guesses.append(trained.pseudo_labels)
                name = METHODS[method]
                rows.setdefault(name, {})[part.title] = Figure.of(shown)
        seeds = f", {self.seeds} seeds" if self.seeds > 1 else ""
        return self.result_on(
            subject,
            found,
            f"Accuracy on the test samples by labels that are seen (%{seeds})",
            {part.title: part.title for part in parts},
            rows,
            chosen=chosen,
            more={
                "labels": {part.title: len(drawn[part][0]) for part in parts},
                "pseudo_label_accuracy": pseudo,
            },
        )
