"""Assign slots that samples keep between epochs: the method of the 2017 paper.

Shapes: n samples, b in the batch, d target dimensions, m slots per sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from natlib.assignment.base import Assigned, AssignmentModule, Step
from natlib.assignment.class_slots import ClassPairs, first_table
from natlib.assignment.class_targets import SampleClasses
from natlib.assignment.embedding_cache import EmbeddingCache
from natlib.assignment.schedule import Reassignment, reassign_from
from natlib.assignment.slot_assignment import SlotAssignment
from natlib.assignment.slot_matcher import SlotMatcher, StepMatching
from natlib.assignment.table import AssignmentTable
from natlib.component import Seed, register
from natlib.errors import ConfigError
from natlib.runtime.progress import Work
from natlib.targets import TargetModule

__all__ = ["Bank", "BankModule"]


@register
class Bank(SlotAssignment):
    """Every sample owns slots, in a table that is always a permutation.

    In each batch, the slots that its samples own are reassigned among them (Bojanowski & Joulin,
    ICML 2017, arXiv 1704.05310, section 3).
    """

    kind: Literal["bank"] = "bank"
    slots: int = Field(default=1, ge=1)
    """m, the slots that a sample owns; it aims at the mean of their targets."""
    every: int = Field(default=1, ge=1)
    """Match in every N-th epoch or step; in between, samples keep their slots. The paper matches
    in every third epoch."""
    unit: Literal["epoch", "step"] = "epoch"
    """The unit of ``every``."""
    reassign: Reassignment | None = None
    """Before some epochs, reassign the slots of the whole data set."""
    seed: Seed = 0
    """Seed of the random permutation that the table starts as."""

    def build(self, targets: TargetModule, samples: int | None = None) -> "BankModule":
        """See :meth:`Assignment.build`; ``samples`` is needed."""
        if samples is None:
            raise ConfigError(
                "the assignment 'bank' keeps slots for every sample: call build(..., samples=n) "
                "with the size of the data set"
            )
        return BankModule(self, targets, samples)


@dataclass(frozen=True)
class _Pending:
    matching: StepMatching
    step: Step


class BankModule(AssignmentModule[_Pending]):
    """The table of slots, and the number of steps.

    Args:
        config: when and how slots are matched.
        targets: the targets of the slots.
        samples: n.
    """

    step: Tensor

    def __init__(self, config: Bank, targets: TargetModule, samples: int) -> None:
        super().__init__(targets)
        self.config = config
        self.table = AssignmentTable(samples, config.slots, config.seed)
        self.matcher = SlotMatcher(config.solver, targets, config.uses_labels)
        self._classes: SampleClasses | None = None
        if config.uses_labels:
            self._classes = SampleClasses(targets.distribution, persistent=True)
        self._cache: EmbeddingCache | None = None
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        # A copy on the host: reading the buffer would make the host wait for an accelerator.
        self._steps: int | None = None

    def setup(self, folder: Path) -> None:
        if self.config.reassign is not None:
            dim = self.targets.distribution.dim
            self._cache = EmbeddingCache(folder, self.table.samples, dim)

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """See :meth:`AssignmentModule.take_labels`; the table is set to slots of these classes.

        Raises:
            ConfigError: a class has more labelled samples than slots.
        """
        if self._classes is None:
            return
        self._classes.take(labels)
        config = self.config
        start = first_table(labels.cpu(), self._classes.targets, config.slots, config.seed, classes)
        self.table.permutation.copy_(start)

    def before_epoch(self, epoch: int) -> Work | None:
        """The reassignment of the whole table, if one is due.

        Raises:
            ConfigError: one is due, and :meth:`setup` has not been called.
        """
        schedule, cache = self.config.reassign, self._cache
        if schedule is None or not schedule.due(epoch):
            return None
        if cache is None:
            raise ConfigError(
                "assignment.reassign keeps embeddings on disk: call setup(folder) before training"
            )
        allowed = None
        if self._classes is not None and self._classes.known is not None:
            allowed = ClassPairs(self._classes.targets, self._classes.known)
        return lambda progress: reassign_from(
            cache, epoch - 1, self.table, self.targets, schedule, progress, allowed
        )

    def begin(self, z_BD: Tensor, step: Step) -> _Pending:
        if step.index is None:
            raise ConfigError(
                "the assignment 'bank' needs the stable index of each sample: call with index=..."
            )
        labels_B = None if self._classes is None else self._classes.of_batch(step, z_BD.device)
        slots_MB = self.table.slots(step.index).to(z_BD.device, non_blocking=True)
        matching = self.matcher.start(
            z_BD, slots_MB, labels_B, match=self._due(step.epoch), more_views=step.more_views
        )
        return _Pending(matching, step)

    def finish(self, pending: _Pending) -> Assigned:
        matched, index = self.matcher.finish(pending.matching), pending.step.index
        assert index is not None
        if self.training:
            if matched.columns is not None:
                # The table reads both on the host; columns stay where the solver left them.
                self.table.reassign(index.cpu(), matched.columns)
            self.step += 1
            self._steps = None if self._steps is None else self._steps + 1
            self.targets.update(matched.slots, pending.matching.z)
            if self._cache is not None:
                self._cache.write(pending.step.epoch, index, pending.matching.z)
        return matched.assigned

    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        return self.matcher.preview(z_BD, self.config.slots, seed)

    def _due(self, epoch: int) -> bool:
        clock = epoch
        if self.config.unit == "step":
            if self._steps is None:
                self._steps = int(self.step)
            clock = self._steps
        return self.training and clock % self.config.every == 0

    def _load_from_state_dict(self, *state: Any) -> None:
        self._steps = None
        super()._load_from_state_dict(*state)
