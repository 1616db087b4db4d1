"""The evaluation of every run, as a protocol."""

from typing import Literal

from natlib.component import register
from natlib.evaluation import Evaluation, evaluate
from natlib.protocols.base import Protocol, Subject

__all__ = ["Standard"]


@register
class Standard(Protocol):
    """Accuracy of nearest neighbours and of a linear probe, as at the end of training.

    Its settings are those that protocols share (``evaluation``).
    """

    kind: Literal["standard"] = "standard"

    def run(self, subject: Subject) -> Evaluation:
        train, seen = subject.training_samples()
        return evaluate(
            subject.model.encoder,
            subject.model.with_head,
            subject.modality,
            subject.evaluation,
            subject.start,
            device=subject.device,
            workers=subject.workers,
            progress=subject.progress,
            train=train,
            seen=seen,
            source=subject.source,
            config_hash=subject.config.digest(),
            name=subject.name,
        )
