"""Assign fresh slots to every batch.

Shapes: b samples in the batch, d target dimensions, m slots per sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from natlib.assignment.base import Assigned, AssignmentModule, Step
from natlib.assignment.class_slots import fresh_slots
from natlib.assignment.class_targets import SampleClasses
from natlib.assignment.counter import StreamCounter
from natlib.assignment.slot_assignment import SlotAssignment
from natlib.assignment.slot_matcher import SlotMatcher, StepMatching
from natlib.component import register
from natlib.targets import TargetModule

__all__ = ["Stream", "StreamModule"]


@register
class Stream(SlotAssignment):
    """Every batch is matched with fresh slots, which the views of a sample share.

    A fresh target that a single view meets once teaches nothing, so it needs two views.
    """

    min_views: ClassVar[int] = 2

    kind: Literal["stream"] = "stream"
    slots: int = Field(default=8, ge=1)
    """m, the slots that a sample gets, each from a matching of its own. It aims at the mean of
    their targets, an estimate of the centroid of its optimal-transport cell."""

    def build(self, targets: TargetModule, samples: int | None = None) -> "StreamModule":
        """See :meth:`Assignment.build`; ``samples`` is not needed."""
        return StreamModule(self, targets)


@dataclass(frozen=True)
class _Pending:
    matching: StepMatching
    used: int  # slots of the counter


class StreamModule(AssignmentModule[_Pending]):
    """The counter of used slots.

    Args:
        config: how slots are matched.
        targets: the targets of the slots.
    """

    def __init__(self, config: Stream, targets: TargetModule) -> None:
        super().__init__(targets)
        self.config = config
        self.counter = StreamCounter()
        self.matcher = SlotMatcher(config.solver, targets, config.uses_labels)
        self._classes: SampleClasses | None = None
        if config.uses_labels:
            self._classes = SampleClasses(targets.distribution, persistent=False)

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        if self._classes is not None:
            self._classes.take(labels)

    def begin(self, z_BD: Tensor, step: Step) -> _Pending:
        labels_B = None
        if self._classes is None:
            used = self.config.slots * len(z_BD)
            slots_MB = self.counter.peek(used).view(-1, len(z_BD))
        else:
            labels_B = self._classes.of_batch(step, z_BD.device)
            slots_MB, used = fresh_slots(
                self.counter, labels_B, self._classes.targets, self.config.slots
            )
        matching = self.matcher.start(
            z_BD, slots_MB, labels_B, match=True, more_views=step.more_views
        )
        return _Pending(matching, used)

    def finish(self, pending: _Pending) -> Assigned:
        matched = self.matcher.finish(pending.matching)
        if self.training:
            self.counter.take(pending.used)
            self.targets.update(matched.slots, pending.matching.z)
        return matched.assigned

    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        return self.matcher.preview(z_BD, self.config.slots, seed)
