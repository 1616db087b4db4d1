"""Clusters of features, compared with classes."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.errors import DataError
from natlib.evaluation import Evaluation, Figure
from natlib.evaluation.clustering import cluster, matched_accuracy
from natlib.protocols.base import Protocol, Subject

__all__ = ["Clusters"]

_COLUMNS = {
    "nmi": "normalised mutual information",
    "ari": "adjusted Rand index",
    "accuracy": "accuracy",
}


@register
class Clusters(Protocol):
    """How well clusters agree with classes: mutual information, Rand index, accuracy.

    k-means finds its centres on training samples, without labels; the figures compare the
    clusters of the test samples with their classes. Nothing is chosen.
    """

    kind: Literal["clusters"] = "clusters"
    clusters: int | None = Field(default=None, ge=2)
    """Number of clusters; by default one for each class."""
    restarts: int = Field(default=10, ge=1)
    """Restarts of k-means; the tightest clusters count."""
    seeds: int = Field(default=3, ge=1)
    """Seeds that figures are averaged over."""

    def run(self, subject: Subject) -> Evaluation:
        found = subject.embedded()
        count = self.clusters or len(found.train_labels.unique())
        if count > len(found.train_labels):
            raise DataError(
                f"{count} clusters need as many training samples, got {len(found.train_labels)}; "
                "lower the protocol's setting 'clusters'"
            )
        first = subject.evaluation.seed
        rows = {}
        for done, kind in enumerate(found.names):
            subject.progress("clustering", done, len(found.names))
            parts = [
                _agreement(
                    cluster(
                        found.train[kind],
                        found.test[kind],
                        count,
                        seed=seed,
                        restarts=self.restarts,
                    ),
                    found.test_labels,
                )
                for seed in range(first, first + self.seeds)
            ]
            rows[kind] = {
                column: Figure.of([part[column] for part in parts]) for column in _COLUMNS
            }
        return self.result_on(
            subject,
            found,
            "Clusters of the test samples against their classes (%)",
            _COLUMNS,
            rows,
            more={"clusters": count},
        )


def _agreement(clusters: Tensor, labels: Tensor) -> dict[str, float]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "nmi": 100.0 * float(normalized_mutual_info_score(labels.numpy(), clusters.numpy())),
        "ari": 100.0 * float(adjusted_rand_score(labels.numpy(), clusters.numpy())),
        "accuracy": matched_accuracy(clusters, labels),
    }
