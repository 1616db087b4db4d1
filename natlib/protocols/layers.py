"""A linear probe on every stage of the encoder."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.encoders import Encoder
from natlib.evaluation import EmbeddedSplits, Evaluation
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.probing import Probed, probe
from natlib.protocols.stages import Stages

__all__ = ["Layers"]


@register
class Layers(Protocol):
    """Accuracy of a linear probe on what every stage returns, as the paper's conv1 to conv5.

    Maps are averaged over a grid that leaves at most ``width`` features. The first row is
    a probe on the raw input.
    """

    kind: Literal["layers"] = "layers"
    stages: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Which stages; by default all."""
    width: int = Field(default=1024, ge=1)
    """Largest number of features of a stage."""
    max_train_samples: int = Field(default=10_000, ge=1)
    """Largest number of training samples; all stages are in memory at once."""

    def run(self, subject: Subject) -> Evaluation:
        splits = subject.splits().limited(self.max_train_samples, None, subject.evaluation.seed)
        views: list[Stages] = []

        def seen_as(encoder: Encoder) -> Encoder:
            views.append(Stages(encoder, self.width, self.stages))
            return views[-1]

        found = subject.embedded(splits, seen_as)
        widths = views[0].widths
        raw = self._probe(subject, found, found.train["raw"], found.test["raw"])
        kinds: list[str] = [kind for kind in ("encoder", "start") if kind in found.names]
        rows = {"raw": dict.fromkeys(kinds, raw.accuracy)}
        chosen = {"raw": dict.fromkeys(kinds, raw.chosen)}
        first = 0
        for done, (name, width) in enumerate(widths.items()):
            subject.progress("fitting probes", done, len(widths))
            part = slice(first, first + width)
            first += width
            both = {
                kind: self._probe(
                    subject, found, found.train[kind][:, part], found.test[kind][:, part]
                )
                for kind in kinds
            }
            rows[name] = {kind: each.accuracy for kind, each in both.items()}
            chosen[name] = {kind: each.chosen for kind, each in both.items()}
        return self.result_on(
            subject,
            found,
            "Accuracy of a linear probe on each stage (%)",
            {kind: subject.names[kind] for kind in kinds},
            rows,
            chosen=chosen,
            more={"widths": widths},
        )

    def _probe(
        self, subject: Subject, found: EmbeddedSplits, train: Tensor, test: Tensor
    ) -> Probed:
        return probe(subject, train, found.train_labels, test, found.test_labels)
