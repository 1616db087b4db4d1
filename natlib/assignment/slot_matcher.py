"""Match the samples of a batch with slots: a step of ``stream`` and ``bank``.

Shapes: b samples in the batch, d target dimensions, m slots per sample.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.assignment.base import Assigned, preview_slots
from natlib.assignment.class_targets import allowed_pairs, class_of
from natlib.assignment.pending import PendingMatching, start_matching
from natlib.runtime.autotune import Autotune
from natlib.solvers import Solver
from natlib.targets import TargetModule

__all__ = ["SlotMatcher", "SlotMatching", "StepMatching"]


@dataclass(frozen=True)
class StepMatching:
    """A matching in progress.

    Attributes:
        z: Tensor[b, d], the points that are matched.
        slots: int64[m, b], before the matching.
        rows: Tensor[m, b, d], their targets.
        classes: int64[m, b], the class of each slot; None if slots have no classes.
        pending: None if samples keep their slots in this step.
        began: start time in seconds.
        measured: whether the time of this step counts for the choice to overlap.
    """

    z: Tensor
    slots: Tensor
    rows: Tensor
    classes: Tensor | None
    pending: PendingMatching | None
    began: float
    measured: bool


@dataclass(frozen=True)
class SlotMatching:
    """The result of a matching.

    Attributes:
        slots: int64[m, b], after the matching.
        columns: int64[m, b], on the device where the solver left them; None if nothing was
            matched.
        assigned: the targets of the samples.
    """

    slots: Tensor
    columns: Tensor | None
    assigned: Assigned


class SlotMatcher:
    """Matches samples with slots; its only state is whether to overlap with the encoder.

    Args:
        solver: the solver.
        targets: the targets of the slots.
        by_class: whether a labelled sample may get slots of its class only.
    """

    def __init__(self, solver: Solver, targets: TargetModule, by_class: bool) -> None:
        self._solver, self._targets, self._by_class = solver, targets, by_class
        # On a CPU another thread may speed a step up or slow it down; the result is the same.
        self.overlap = Autotune([True, False])

    def start(
        self,
        z_BD: Tensor,
        slots_MB: Tensor,
        labels_B: Tensor | None,
        *,
        match: bool,
        more_views: bool,
    ) -> StepMatching:
        """Gather the targets of the slots, and start the matching.

        Args:
            z_BD: Tensor[b, d].
            slots_MB: int64[m, b].
            labels_B: int64[b], -1 if a sample has none; None if slots have no classes.
            match: whether to match; otherwise samples keep their slots.
            more_views: whether further views are encoded while another thread matches.
        """
        began = time.perf_counter()
        classes_MB = class_of(self._targets.distribution, slots_MB) if self._by_class else None
        rows_MBD = self._targets.rows(slots_MB, dtype=z_BD.dtype)
        pending = None
        measured = match and more_views and not z_BD.is_cuda
        if match:
            allowed = None
            if labels_B is not None and classes_MB is not None:
                allowed = allowed_pairs(labels_B, classes_MB)
            overlap = more_views and (z_BD.is_cuda or self.overlap.next())
            pending = start_matching(
                self._solver, z_BD, rows_MBD.detach(), overlap=overlap, allowed=allowed
            )
        return StepMatching(z_BD, slots_MB, rows_MBD, classes_MB, pending, began, measured)

    def finish(self, step: StepMatching) -> SlotMatching:
        """Wait for the matching and gather its targets.

        Raises:
            MatchingError: the embeddings cannot be matched.
        """
        if step.pending is None:
            return SlotMatching(step.slots, None, Assigned(step.rows, step.rows, {}, step.classes))
        columns = step.pending.result()
        columns_MB = columns.to(step.slots.device, non_blocking=True)
        classes_MB = None if step.classes is None else step.classes.gather(1, columns_MB)
        rows_MBD = step.rows.gather(1, columns_MB.unsqueeze(-1).expand_as(step.rows))
        stayed = columns_MB == torch.arange(len(step.z), device=columns_MB.device)
        measures = {
            "reassigned": 1.0 - stayed.float().mean(),
            "solver_seconds": torch.tensor(step.pending.waited),
        }
        if step.measured:
            self.overlap.record(step.pending.overlaps, time.perf_counter() - step.began)
        return SlotMatching(
            step.slots.gather(1, columns_MB),
            columns,
            Assigned(rows_MBD, step.rows, measures, classes_MB),
        )

    @torch.no_grad()
    def preview(self, z_BD: Tensor, slots: int, seed: int) -> Assigned:
        """Match embeddings Tensor[b, d] with ``slots`` fresh targets each, regardless of class."""
        slots_MB = preview_slots(slots * len(z_BD), seed, z_BD.device).view(slots, -1)
        rows_MBD = self._targets.rows(slots_MB, dtype=z_BD.dtype)
        columns_MB = self._solver.match(z_BD, rows_MBD).columns.to(z_BD.device)
        matched_MBD = rows_MBD.gather(1, columns_MB.unsqueeze(-1).expand_as(rows_MBD))
        return Assigned(matched_MBD, rows_MBD, {})
