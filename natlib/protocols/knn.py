"""Nearest neighbours; their number is chosen on a validation split."""

from typing import Literal

from pydantic import Field, PositiveInt
from torch import Tensor

from natlib.component import register
from natlib.data.sparse import rows_of
from natlib.evaluation import Evaluation, Figure, knn_predict, percent, stratified_split
from natlib.protocols.base import Protocol, Subject

__all__ = ["Knn"]


@register
class Knn(Protocol):
    """Accuracy of a vote of the nearest neighbours.

    The number of neighbours is chosen on a validation split of the training samples.
    """

    kind: Literal["knn"] = "knn"
    neighbours: tuple[PositiveInt, ...] = Field(default=(1, 5, 10, 20, 50), min_length=1)
    """Numbers of neighbours to choose from."""
    temperature: float = Field(default=0.07, gt=0)
    """Temperature of their weights."""

    def run(self, subject: Subject) -> Evaluation:
        found = subject.embedded()
        classes = len(found.splits.classes)
        rows, chosen = {}, {}
        for done, kind in enumerate(found.names):
            subject.progress("asking neighbours", done, len(found.names))
            train, labels = found.train[kind], found.train_labels
            k = self._choose(subject, train, labels, classes)
            predicted = knn_predict(
                train, labels, found.test[kind], classes, k, self.temperature, device=subject.device
            )
            rows[kind] = {
                "accuracy": Figure.of(
                    [percent(predicted, found.test_labels)], len(found.test_labels)
                )
            }
            chosen[kind] = {"neighbours": k}
        return self.result_on(
            subject,
            found,
            "Accuracy on the test samples (%)",
            {"accuracy": "kNN"},
            rows,
            chosen=chosen,
        )

    def _choose(self, subject: Subject, features: Tensor, labels: Tensor, classes: int) -> int:
        """The number that is best on the validation split; the smallest of equally good ones."""
        config = subject.evaluation
        kept, aside = stratified_split(labels, config.validation_fraction, config.seed)
        if not len(aside):
            return min(self.neighbours)
        known, asked = rows_of(features, kept), rows_of(features, aside)

        def accuracy(k: int) -> float:
            predicted = knn_predict(
                known, labels[kept], asked, classes, k, self.temperature, device=subject.device
            )
            return percent(predicted, labels[aside])

        return max(sorted(self.neighbours), key=accuracy)
