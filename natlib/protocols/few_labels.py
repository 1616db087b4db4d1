"""Accuracy by the number of labels."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt
from torch import Tensor

from natlib.component import register
from natlib.evaluation import Evaluation, Figure, Splits
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.finetuning import STARTS, FineTuning, Tuned, fine_tune
from natlib.protocols.label_parts import LabelPart, draw, label_parts, title
from natlib.protocols.probing import Probed, probe_part

__all__ = ["FewLabels"]

Fraction = Annotated[float, Field(gt=0, le=1)]


@register
class FewLabels(Protocol):
    """Accuracy of a linear probe that sees the labels of a part of the training samples.

    Parts are stratified, and the same for every row; each seed draws its own. Settings are chosen
    on a validation split of the part, never with other labels.
    """

    kind: Literal["few_labels"] = "few_labels"
    fractions: tuple[Fraction, ...] = (0.01, 0.1)
    """Shares of the labels of each class."""
    per_class: tuple[PositiveInt, ...] = (5,)
    """Numbers of labels of each class."""
    seeds: int = Field(default=3, ge=1)
    """Seeds that figures are averaged over."""
    finetune: FineTuning | None = None
    """If given (``finetune={}`` for the defaults), the whole encoder is fine-tuned on each part,
    beside one from scratch."""

    def run(self, subject: Subject) -> Evaluation:
        parts = label_parts(self.fractions, self.per_class)
        first = subject.evaluation.seed
        seeds = range(first, first + self.seeds)
        splits = subject.splits()
        draw(parts, splits, seeds)  # fails early where labels are too few
        found = subject.embedded(splits)
        splits = found.splits
        drawn = draw(parts, splits, seeds)
        rows: dict[str, dict[str, Figure]] = {}
        chosen: dict[str, dict[str, Any]] = {}

        def note(row: str, part: LabelPart, shown: Sequence[Probed | Tuned]) -> None:
            rows.setdefault(row, {})[part.title] = Figure.of(
                [each.accuracy for each in shown], len(found.test_labels)
            )
            chosen.setdefault(row, {})[part.title] = [each.chosen for each in shown]

        for number, kind in enumerate(found.names):
            subject.progress("fitting probes", number, len(found.names))
            for part in parts:
                note(kind, part, [probe_part(subject, found, kind, one) for one in drawn[part]])
        if self.finetune is not None:
            for start, name in STARTS.items():
                for part in parts:
                    note(name, part, self._fine_tuned(subject, splits, start, drawn[part]))
        return self.result_on(
            subject,
            found,
            title(self.seeds),
            {part.title: part.title for part in parts},
            rows,
            chosen=chosen,
            more={"labels": {part.title: len(drawn[part][0]) for part in parts}},
        )

    def _fine_tuned(
        self, subject: Subject, splits: Splits, start: str, drawn: list[Tensor]
    ) -> list[Tuned]:
        assert self.finetune is not None
        return [
            fine_tune(
                subject,
                self.finetune,
                start,
                splits.chosen(positions),
                seed=subject.evaluation.seed + number,
            )
            for number, positions in enumerate(drawn)
        ]
