"""Full fine-tuning, beside the same network from scratch."""

from typing import Any, Literal

from natlib.component import register
from natlib.evaluation import Evaluation, Figure
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.finetuning import STARTS, FineTuning, fine_tune
from natlib.protocols.probing import probe

__all__ = ["Finetune"]

_FROZEN = ("encoder", "start", "raw", "reduced")


@register
class Finetune(Protocol):
    """Accuracy of the encoder with a linear classifier, both trained on all labels.

    Beside it: the same network from scratch, and linear probes on frozen features: its own, those
    that it began with, raw inputs, and raw inputs reduced to as many numbers.
    """

    kind: Literal["finetune"] = "finetune"
    training: FineTuning = FineTuning()
    """How the encoder is trained."""

    def run(self, subject: Subject) -> Evaluation:
        found = subject.embedded()
        rows: dict[str, dict[str, Figure]] = {}
        chosen: dict[str, dict[str, Any]] = {}
        for start, name in STARTS.items():
            tuned = fine_tune(
                subject, self.training, start, found.splits, seed=subject.evaluation.seed
            )
            rows[name] = {"accuracy": Figure.of([tuned.accuracy], len(found.test_labels))}
            chosen[name] = tuned.chosen
        for kind in _FROZEN:
            if kind not in found.names:
                continue  # raw inputs have no more numbers than the encoder
            name = f"{found.names[kind]}, frozen" if kind in ("encoder", "start") else kind
            shown = probe(
                subject,
                found.train[kind],
                found.train_labels,
                found.test[kind],
                found.test_labels,
            )
            rows[name] = {"accuracy": Figure.of([shown.accuracy], len(found.test_labels))}
            chosen[name] = shown.chosen
        return self.result_on(
            subject,
            found,
            "Accuracy on the test samples (%)",
            {"accuracy": "accuracy"},
            rows,
            chosen=chosen,
        )
