"""Few labels, with Noise As Targets and without."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from natlib.component import Condition, register
from natlib.data import SampleSet
from natlib.errors import ConfigError
from natlib.evaluation import EmbeddedSplits, Evaluation, Figure, Splits, encode, percent
from natlib.evaluation.embedded_splits import positions as positions_of
from natlib.objectives import Objective
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.finetuning import FineTuning, fine_tune
from natlib.protocols.label_parts import draw, label_parts, title
from natlib.protocols.probing import probe, probe_part
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
# Accuracy in percent, and what was chosen on the way.
_Scored = tuple[float, dict[str, Any]]
_FROZEN = ("encoder", "start", "raw", "reduced")
_TUNED = {"random": "supervised, from scratch", "encoder": "NAT, fine-tuned"}


@register
class Semi(Protocol):
    """Accuracy with a part of the labels: supervised, NAT first, or both at once.

    Rows are supervised training from scratch on the labels of the part; linear probes on frozen
    features, which see the same labels; fine-tuning; and training from scratch as the run was
    trained, on all samples, with the labels of the part: with a classifier, with class targets
    (evaluated by a linear probe that sees the same labels), with both. The run must have been
    trained by NAT without labels.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("share", "epochs"), on=("methods",), holds=bool, remedy="give {methods} at least one"
        ),
        Condition(
            ("weight",),
            on=("methods",),
            holds=lambda methods: not {"classifier", "both"}.isdisjoint(methods),
            remedy="add classifier or both to {methods}",
        ),
        Condition(
            ("spread",),
            on=("methods",),
            holds=lambda methods: not {"class_targets", "both"}.isdisjoint(methods),
            remedy="add class_targets or both to {methods}",
        ),
    )

    kind: Literal["semi"] = "semi"
    fractions: tuple[Fraction, ...] = (0.01, 0.1)
    """Shares of the labels of each class."""
    per_class: tuple[PositiveInt, ...] = (4,)
    """Numbers of labels of each class."""
    seeds: int = Field(default=3, ge=1)
    """Seeds that figures are averaged over; each draws its own labelled samples."""
    finetune: FineTuning = FineTuning()
    """Settings of supervised training and fine-tuning."""
    methods: tuple[Method, ...] = ("classifier", "class_targets", "both")
    """How NAT is trained with labels: ``classifier``, ``class_targets``, ``both``."""
    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of labelled samples in each batch of these methods."""
    weight: float = Field(default=3.0, gt=0)
    """Weight of the classifier in the loss, where NAT has weight 1."""
    spread: float = Field(default=0.5, gt=0)
    """Spread of the targets of each class around their centre."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes of these methods over all samples; by default as many as the run made."""

    def run(self, subject: Subject) -> Evaluation:
        if subject.config.labels is not None:
            raise ConfigError(
                "this run was trained with labels, so no row could begin without them; "
                "evaluate a run that was trained without (no --label-fraction, say)"
            )
        nat = nat_of(subject.config.objective)
        parts = label_parts(self.fractions, self.per_class)
        splits, first = subject.splits(), subject.evaluation.seed
        seeds = range(first, first + self.seeds)
        draw(parts, splits, seeds)  # fails early where labels are too few
        found = subject.embedded(splits)
        splits = found.splits
        for samples in (splits.train, splits.test):
            samples.preload(subject.workers)  # every row reads them, some for many epochs
        drawn = draw(parts, splits, seeds)
        rows: dict[str, dict[str, Figure]] = {}
        said: dict[str, dict[str, list[Any]]] = {}

        def row(name: str, evaluate: Callable[[Tensor, int], _Scored]) -> None:
            for part in parts:
                scores = [evaluate(one, seed) for seed, one in zip(seeds, drawn[part], strict=True)]
                figure = Figure.of([accuracy for accuracy, _ in scores], len(found.test_labels))
                rows.setdefault(name, {})[part.title] = figure
                said.setdefault(name, {})[part.title] = [more for _, more in scores]

        for start, name in _TUNED.items():
            row(name, partial(self._tuned, subject, splits, start))
        for kind in _FROZEN:
            if kind in found.names:  # raw inputs may have no more numbers than the encoder
                row(_row(found, kind), partial(_frozen, subject, found, kind))
        for method in self.methods:
            objective = semi_objective(nat, method, self.weight, self.spread)
            row(METHODS[method], partial(self._with_labels, subject, splits, objective))
        return self.result_on(
            subject,
            found,
            title(self.seeds),
            {part.title: part.title for part in parts},
            rows,
            chosen=said,
            more={"labels": {part.title: len(drawn[part][0]) for part in parts}},
        )

    def _tuned(
        self, subject: Subject, splits: Splits, start: str, positions: Tensor, seed: int
    ) -> _Scored:
        part = splits.chosen(positions)
        return fine_tune(subject, self.finetune, start, part, seed=seed)

    def _with_labels(
        self, subject: Subject, splits: Splits, objective: Objective, positions: Tensor, seed: int
    ) -> _Scored:
        trained = train_with_labels(
            subject,
            objective,
            splits,
            positions,
            share=self.share,
            epochs=self.epochs,
            seed=seed,
        )
        more: dict[str, Any] = {}
        if trained.pseudo_labels is not None:
            more["pseudo_label_accuracy"] = trained.pseudo_labels
        test, labels = _features(
            subject, trained, splits.test, splits.test_index, splits.test_labels
        )
        if trained.classifier is not None:
            with torch.no_grad():
                scores = trained.classifier.embed(test.to(subject.device))
            return percent(scores.argmax(1).cpu(), labels), more
        index = splits.train_index[positions]
        train, shown = _features(
            subject, trained, splits.train, index, splits.train_labels[positions]
        )
        probed = probe(subject, train, shown, test, labels)
        return probed.accuracy, probed.chosen | more


def _row(found: EmbeddedSplits, kind: str) -> str:
    """The name of the row of frozen features."""
    if kind == "encoder":
        return "NAT, frozen"
    return f"{found.names[kind]}, frozen" if kind == "start" else kind


def _frozen(
    subject: Subject, found: EmbeddedSplits, kind: str, positions: Tensor, _seed: int
) -> _Scored:
    return probe_part(subject, found, kind, positions)


def _features(
    subject: Subject, trained: SemiTrained, samples: SampleSet, index: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Features and labels of the samples that can be decoded."""
    encoded = encode(
        subject.modality,
        samples,
        trained.encoder,
        device=subject.device,
        index=index,
        batch_size=subject.evaluation.batch_size,
        workers=subject.workers,
    )
    return encoded.features["encoder"], labels[positions_of(encoded.index, index)]
