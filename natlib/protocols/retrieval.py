"""Retrieval: test samples search the training samples by cosine."""

from functools import partial
from typing import Literal

from pydantic import Field, PositiveInt

from natlib.component import register
from natlib.evaluation import Evaluation
from natlib.evaluation.retrieval import retrieve
from natlib.protocols.base import Protocol, Subject

__all__ = ["Retrieval"]


@register
class Retrieval(Protocol):
    """Test samples search the training samples by cosine; those of their class are right.

    Recall is the share of queries with a right one among their first results; average precision
    takes the whole ranking into account. Nothing is chosen.
    """

    kind: Literal["retrieval"] = "retrieval"
    at: tuple[PositiveInt, ...] = Field(default=(1, 5), min_length=1)
    """Numbers of results that recall is measured at."""
    max_queries: int | None = Field(default=2_000, ge=1)
    """Test samples that search, at most."""

    def run(self, subject: Subject) -> Evaluation:
        splits = subject.splits().limited(None, self.max_queries, subject.evaluation.seed)
        found = subject.embedded(splits)
        columns = {f"recall_at_{count}": f"R@{count}" for count in self.at}
        rows, alone = {}, 0
        for kind, name in found.names.items():
            figures = retrieve(
                found.train[kind],
                found.train_labels,
                found.test[kind],
                found.test_labels,
                at=self.at,
                device=subject.device,
                progress=partial(subject.progress, f"searching, {name}"),
            )
            alone = figures.alone
            rows[kind] = {f"recall_at_{count}": figures.recall[count] for count in self.at}
            rows[kind]["mean_average_precision"] = figures.mean_precision
        return self.result_on(
            subject,
            found,
            "Training samples found by test samples (%)",
            {**columns, "mean_average_precision": "mAP"},
            rows,
            more={"queries_without_class": alone},
        )
