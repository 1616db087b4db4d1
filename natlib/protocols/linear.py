"""A linear classifier on frozen features."""

from typing import Literal

from natlib.component import register
from natlib.evaluation import Evaluation, Figure
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.probing import probe

__all__ = ["Linear"]


@register
class Linear(Protocol):
    """Accuracy of logistic regression, with a weight decay chosen on a validation split."""

    kind: Literal["linear"] = "linear"
    weight_decays: tuple[float, ...] | None = None
    """What to choose from; by default the run's ``evaluation.weight_decays``."""

    def run(self, subject: Subject) -> Evaluation:
        found = subject.embedded()
        rows, chosen = {}, {}
        for done, kind in enumerate(found.names):
            subject.progress("fitting probes", done, len(found.names))
            probed = probe(
                subject,
                found.train[kind],
                found.train_labels,
                found.test[kind],
                found.test_labels,
                self.weight_decays,
            )
            rows[kind] = {"accuracy": Figure.of([probed.accuracy], len(found.test_labels))}
            chosen[kind] = probed.chosen
        return self.result_on(
            subject,
            found,
            "Accuracy on the test samples (%)",
            {"accuracy": "linear probe"},
            rows,
            chosen=chosen,
        )
