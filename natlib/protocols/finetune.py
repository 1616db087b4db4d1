"""Full fine-tuning, beside the same network from scratch."""

from typing import Any, Literal

from natlib.component import register
from natlib.evaluation import ROWS, Evaluation
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.finetuning import STARTS, FineTuning, fine_tune
from natlib.protocols.probing import probe

__all__ = ["Finetune"]

_FROZEN = {"encoder": "encoder, frozen", "random": "random encoder, frozen", "raw": ROWS["raw"]}


@register
class Finetune(Protocol):
    """Accuracy of the encoder with a linear classifier, both trained on all labels.

    Beside it: the same network from scratch, a linear probe on frozen features, on those of a
    random encoder and on raw inputs.
    """

    kind: Literal["finetune"] = "finetune"
    training: FineTuning = FineTuning()
    """How the encoder is trained."""

    def run(self, subject: Subject) -> Evaluation:
        found = subject.embedded()
        rows: dict[str, dict[str, float]] = {}
        chosen: dict[str, dict[str, Any]] = {}
        for start, name in STARTS.items():
            tuned = fine_tune(
                subject, self.training, start, found.splits, seed=subject.evaluation.seed
            )
            rows[name], chosen[name] = {"accuracy": tuned.accuracy}, tuned.chosen
        for kind, name in _FROZEN.items():
            shown = probe(
                subject,
                found.train[kind],
                found.train_labels,
                found.test[kind],
                found.test_labels,
            )
            rows[name], chosen[name] = {"accuracy": shown.accuracy}, shown.chosen
        return self.result_on(
            subject,
            found,
            "Accuracy on the test samples (%)",
            {"accuracy": "accuracy"},
            rows,
            chosen=chosen,
        )
