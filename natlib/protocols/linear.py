"""A linear classifier on frozen features."""

from typing import Literal

from natlib.component import register
from natlib.evaluation import ROWS, ProtocolResult, fit_linear_probe, percent
from natlib.protocols.base import Protocol, Subject

__all__ = ["Linear"]


@register
class Linear(Protocol):
    """Accuracy of logistic regression, with a weight decay chosen on a validation split."""

    kind: Literal["linear"] = "linear"
    weight_decays: tuple[float, ...] | None = None
    """What to choose from; by default the run's ``evaluation.weight_decays``."""

    def run(self, subject: Subject) -> ProtocolResult:
        found, config = subject.embedded(), subject.evaluation
        rows, chosen = {}, {}
        for done, (kind, name) in enumerate(ROWS.items()):
            subject.progress("fitting probes", done, len(ROWS))
            probe = fit_linear_probe(
                found.train[kind],
                found.train_labels,
                weight_decays=self.weight_decays or config.weight_decays,
                validation_fraction=config.validation_fraction,
                seed=config.seed,
                device=subject.device,
            )
            rows[name] = {"accuracy": percent(probe.predict(found.test[kind]), found.test_labels)}
            chosen[name] = {
                "weight_decay": probe.weight_decay,
                "validation_accuracy": {
                    f"{decay:g}": accuracy for decay, accuracy in probe.validation_accuracy.items()
                },
            }
        return self.result_on(
            subject,
            found,
            "Accuracy on the test samples (%)",
            {"accuracy": "linear probe"},
            rows,
            chosen=chosen,
        )
