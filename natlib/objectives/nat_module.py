"""The trainable side of Noise As Targets.

Shapes: v views, b samples in the batch, k in the matching (the batch, then the pool), d target
dimensions, m slots per sample.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from natlib.assignment.cells import SemiDiscrete
from natlib.assignment.class_targets import (
    ClassOwners,
    allowed_pairs,
    first_table,
    fresh_slots,
    vote,
)
from natlib.assignment.counter import StreamCounter
from natlib.assignment.embedding_cache import EmbeddingCache
from natlib.assignment.pending import Deal, remember, start_matching
from natlib.assignment.schedule import reassign_from
from natlib.assignment.table import AssignmentTable
from natlib.errors import ConfigError
from natlib.objectives.base import ObjectiveModule, ObjectiveOutput, Work
from natlib.objectives.distances import mean_cosine
from natlib.objectives.embedding import check_finite, check_labels, to_float32
from natlib.objectives.health import embedding_health, random_cell_line, random_matching_line
from natlib.objectives.nat import NAT
from natlib.objectives.nat_loss import sample_losses
from natlib.objectives.pool import Pool
from natlib.objectives.teacher import TeacherModule, teacher_embeddings
from natlib.runtime.autotune import Autotune
from natlib.runtime.processes import process_count
from natlib.targets import Mixture

__all__ = ["NATModule"]


class NATModule(ObjectiveModule):
    """Head, table or counter, pool, teacher, and the loss of :class:`NAT`."""

    step: Tensor
    shown = (
        "matched {matched_cosine:.3f} (random {random_cosine:.3f})",
        "pseudo-labels {pseudo_label_accuracy:.1f} %",
    )

    def __init__(self, config: NAT, feature_dim: int, samples: int | None) -> None:
        super().__init__()
        self.config = config
        self.loss_is_sum = config.reduction == "sum"
        self.head: nn.Module = config.head.build(feature_dim, config.targets.dim)
        self.targets = config.targets.build()
        self.table: AssignmentTable | None = None
        self.counter: StreamCounter | None = None
        if config.ownership == "bank":
            if samples is None:
                raise ConfigError(
                    "ownership 'bank' keeps a slot for every sample: "
                    "give the size of the data set to build(..., samples=n)"
                )
            self.table = AssignmentTable(samples, config.slots, config.seed)
        else:
            self.counter = StreamCounter()
        self.pool: Pool | None = None
        if config.pool:
            # In a bank the table knows who owns what.
            slots = config.slots if self.table is None else 0
            self.pool = Pool(config.pool, slots, config.targets.dim)
        self.teacher: TeacherModule | None = None
        # What it made of the views; not state, since it lives for a step.
        self._taught: list[Tensor] | None = None
        self._anchors: EmbeddingCache | None = None
        self._labels: Tensor | None = None
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        # The same on the host, once it is asked for: reading it would make an accelerator wait.
        self._steps: int | None = None
        # Not part of the state: the answer is the same either way.
        self._overlaps = Autotune(
            {"auto": [True, False], "on": [True], "off": [False]}[config.overlap]
        )

    def embed(self, features: Tensor) -> Tensor:
        """Head outputs Tensor[b, d] in the space of the targets, float32 or better."""
        return self.config.targets.project(to_float32(self.head(features)))

    def on_start(self, encoder: nn.Module) -> None:
        """Copy it, where there is to be a teacher."""
        if self.config.teacher is not None:
            self.teacher = TeacherModule(encoder, self.head)

    def after_update(self, encoder: nn.Module, done: float) -> None:
        """Let the teacher follow."""
        if self.teacher is not None and self.config.teacher is not None:
            self.teacher.follow(encoder, self.head, self.config.teacher.momentum_at(done))

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """None; but the teacher, where there is one, looks at the views."""
        if self.teacher is not None:
            only_first = self.config.anchor == "first" and not self.config.teacher_aligns
            seen = views[:1] if only_first else views
            self._taught = [
                self.config.targets.project(to_float32(self.teacher(view))) for view in seen
            ]
        return []

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        config = self.config
        began = time.perf_counter()
        inputs: list[Tensor] = []
        embedded: list[Tensor] = []
        seen, self._taught = self._taught, None
        taught_VBD = (
            None if config.teacher is None else torch.stack(teacher_embeddings(seen, "nat"))
        )
        anchor_BD: Tensor | None = None
        deal: Deal | None = None
        if taught_VBD is not None and config.teacher_votes:
            anchor_BD = self._vote(taught_VBD)
            deal = self._begin_early(anchor_BD, index, labels, epoch)
        for view in features:
            inputs.append(view)
            embedded.append(self.embed(view))
            if anchor_BD is None and config.anchor == "first":
                anchor_BD = embedded[0].detach()
                deal = self._begin_early(anchor_BD, index, labels, epoch)
        z_VBD = torch.stack(embedded)
        check_finite(inputs, z_VBD)
        if anchor_BD is None:
            anchor_BD = self._vote(z_VBD.detach())
        pseudo_labels: Tensor | None = None
        if config.semidiscrete is not None:
            own_MBD, matched_MBD, measures = self._cells(anchor_BD, config.semidiscrete)
        else:
            deal = deal or self._begin(anchor_BD, index, labels, epoch, overlap=False)
            own_MBD = deal.rows[:, : len(anchor_BD)]
            matched_MBD, measures = self._finish(deal, len(anchor_BD))
            if deal.classes is not None:
                pseudo_labels = vote(deal.classes[:, : len(anchor_BD)])
            if deal.pending is not None and not z_VBD.is_cuda:
                self._overlaps.took(deal.pending.overlaps, time.perf_counter() - began)

        if self.training and self._anchors is not None and index is not None:
            self._anchors.write(epoch, index, anchor_BD)

        losses_B, parts = sample_losses(config, z_VBD, matched_MBD.mean(0), taught_VBD)
        loss = losses_B.sum() if self.loss_is_sum else losses_B.mean()
        if health:
            measures["matched_cosine"] = mean_cosine(anchor_BD, matched_MBD)
            measures["own_cosine"] = mean_cosine(anchor_BD, own_MBD)
            measures["random_cosine"] = self._random_line(
                len(anchor_BD) if deal is None else len(deal.anchor)
            )
            measures |= embedding_health(anchor_BD)
        return ObjectiveOutput(loss, parts, measures, pseudo_labels)

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """See :meth:`ObjectiveModule.take_labels`; a bank starts from slots of these classes.

        Raises:
            ConfigError: a class has more labelled samples than slots.
        """
        config = self.config
        if not config.class_slots:
            return
        assert isinstance(config.targets, Mixture)
        check_labels(labels, "nat", config.targets.count)
        self._labels = labels
        if self.table is not None:
            start = first_table(labels.cpu(), config.targets, config.slots, config.seed, classes)
            self.table.permutation.copy_(start)

    def pseudo_labels(self, index: Tensor) -> Tensor:
        """The classes int64[b] of the slots that samples int64[b] own; of m slots, of the most.

        Raises:
            ConfigError: slots belong to no classes, or samples do not keep them.
        """
        if self.table is None or not self.config.class_slots:
            raise ConfigError(
                "only a bank whose slots belong to classes knows them later; set ownership to "
                "'bank' and class_slots to true"
            )
        assert isinstance(self.config.targets, Mixture)
        return vote(self.config.targets.component_of(self.table.slots(index)))

    def merge(self) -> None:
        """Bring table, counter and pool of all processes together; a collective call."""
        for state in (self.table, self.counter, self.pool):
            if state is not None:
                state.merge()

    def attach(self, folder: Path) -> None:
        """See :meth:`ObjectiveModule.attach`; a schedule of refreshes needs it."""
        if self.config.refresh is not None and self.table is not None:
            self._anchors = EmbeddingCache(folder, self.table.samples, self.config.targets.dim)

    def before_epoch(self, epoch: int) -> Work | None:
        """A refresh of the table, where one is due.

        Raises:
            ConfigError: one is due, and there is no folder with anchors.
        """
        schedule, table, anchors = self.config.refresh, self.table, self._anchors
        if schedule is None or table is None or not schedule.due(epoch):
            return None
        if anchors is None:
            raise ConfigError(
                "a schedule of refreshes keeps anchors on disk: call attach(folder) before training"
            )
        owner = ClassOwners(self.config.targets, self._labels) if self._labels is not None else None
        return lambda progress: reassign_from(
            anchors, epoch - 1, table, self.targets, schedule, progress, owner
        )

    def _vote(self, views_VBD: Tensor) -> Tensor:
        """What is matched, of embeddings without gradient: Tensor[b, d]."""
        if self.config.anchor == "first":
            return views_VBD[0]
        return self.config.targets.project(views_VBD.mean(0))

    def _begin_early(
        self, anchor_BD: Tensor, index: Tensor | None, labels: Tensor | None, epoch: int
    ) -> Deal | None:
        """Begin before the next view is asked for: it may be computed meanwhile."""
        config = self.config
        if config.semidiscrete is not None:
            return None
        worth_it = config.overlap != "off" if anchor_BD.is_cuda else self._overlaps.next()
        more_to_come = config.views > 1 or config.teacher_votes
        return self._begin(anchor_BD, index, labels, epoch, worth_it and more_to_come)

    def _begin(
        self,
        anchor_BD: Tensor,
        index: Tensor | None,
        labels: Tensor | None,
        epoch: int,
        overlap: bool,
    ) -> Deal:
        """Gather what is matched, and begin to match it."""
        config = self.config
        batch, device = len(anchor_BD), anchor_BD.device
        labels_K = self._labels_of(index, labels, device) if config.class_slots else None
        slots_MK, taken = self._own_slots(index, labels_K, batch, device)
        # On the host, where it is decided by.
        anchor_KD, index_K = anchor_BD, torch.full((batch,), -1) if index is None else index.cpu()
        matches = self._matches(epoch)
        if matches and self.training and self.pool is not None and epoch >= config.pool_warmup:
            if self.table is not None and process_count() > 1:
                # Another process may have a sample of an earlier epoch in its batch by now.
                self.pool.forget_other_epochs(epoch)
            queue = self.pool.entries(without=index_K if self.table is not None else None)
            index_K = torch.cat([index_K, queue.index])
            anchor_KD = torch.cat([anchor_BD, queue.anchors.to(anchor_BD)])
            slots = queue.slots if self.table is None else self.table.slots(queue.index)
            slots_MK = torch.cat([slots_MK, slots.to(device, non_blocking=True)], dim=1)
            if labels_K is not None:
                labels_K = torch.cat([labels_K, self._labels_of(queue.index, None, device)])
        classes_MK = None
        if isinstance(config.targets, Mixture) and labels_K is not None:
            classes_MK = config.targets.component_of(slots_MK)
        rows_MKD = self.targets.rows(slots_MK, dtype=anchor_BD.dtype)
        pending = None
        if matches:
            allowed = None
            if labels_K is not None and classes_MK is not None:
                allowed = allowed_pairs(labels_K, classes_MK)
            pending = start_matching(
                config.solver, anchor_KD, rows_MKD.detach(), overlap=overlap, allowed=allowed
            )
        return Deal(anchor_KD, slots_MK, rows_MKD, index_K, pending, classes_MK, taken)

    def _finish(self, deal: Deal, batch: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The targets Tensor[m, b, d] of the batch after the matching, and what was measured.

        Nothing of the state has changed before.
        """
        measures: dict[str, Tensor] = {}
        slots_MK, rows_MBD = deal.slots, deal.rows[:, :batch]
        if deal.pending is not None:
            columns_MK = deal.pending.result()
            if self.table is not None and self.training:
                # Where the solver left them, since they are looked at.
                self.table.reassign(deal.index, columns_MK)
            columns_MK = columns_MK.to(slots_MK.device, non_blocking=True)
            slots_MK = slots_MK.gather(1, columns_MK)
            if deal.classes is not None:
                deal.classes = deal.classes.gather(1, columns_MK)
            columns_MB = columns_MK[:, :batch]
            chosen = columns_MB.unsqueeze(-1).expand_as(rows_MBD)
            rows_MBD = deal.rows.gather(1, chosen)
            stayed = columns_MB == torch.arange(batch, device=columns_MB.device)
            measures["reassigned"] = 1.0 - stayed.float().mean()
            measures["solver_seconds"] = torch.tensor(deal.pending.waited)
        if self.training:
            self._count_step()
            if self.counter is not None:
                self.counter.take(deal.taken)
            if self.pool is not None:
                remember(self.pool, deal, slots_MK, batch, kept=self.table is not None)
            self.targets.update(slots_MK[:, :batch], deal.anchor[:batch])
        return rows_MBD, measures

    def _cells(
        self, anchor_BD: Tensor, method: SemiDiscrete
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Targets that nobody chose, centroids of cells (both [1, b, d]), and what was measured."""
        assert self.counter is not None
        began = time.perf_counter()
        slots = self.counter.peek(max(method.points, len(anchor_BD)))
        noise = self.targets.rows(slots, dtype=anchor_BD.dtype)
        cells = method.cells(anchor_BD, noise)
        seconds = time.perf_counter() - began
        if self.training:
            self._count_step()
            self.counter.take(len(slots))
        share = len(anchor_BD) * cells.mass
        measures = {
            "uneven_cells": (share - 1).square().mean().sqrt().float(),
            "solver_seconds": torch.tensor(seconds),
        }
        return noise[None, : len(anchor_BD)], cells.centroid[None], measures

    def _random_line(self, batch: int) -> Tensor:
        config = self.config
        if config.semidiscrete is not None:
            return random_cell_line(config.targets, config.semidiscrete, batch)
        return random_matching_line(config.targets, config.solver, batch)

    def _own_slots(
        self, index: Tensor | None, labels_B: Tensor | None, batch: int, device: torch.device
    ) -> tuple[Tensor, int]:
        """Slots int64[m, b] that the samples hold before the matching, and how many are new."""
        config = self.config
        if self.counter is not None:
            if labels_B is not None:
                assert isinstance(config.targets, Mixture)
                return fresh_slots(self.counter, labels_B, config.targets, config.slots)
            count = config.slots * batch
            return self.counter.peek(count).view(-1, batch), count
        assert self.table is not None
        if index is None:
            raise ConfigError(
                "ownership 'bank' needs the stable index of each sample: call with index=..."
            )
        return self.table.slots(index).to(device, non_blocking=True), 0

    def _labels_of(
        self, index: Tensor | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        """The class of each sample, -1 where it has none: int64[k]."""
        if self._labels is not None and index is not None:
            self._labels = self._labels.to(device, non_blocking=True)
            index = index.to(device, non_blocking=True)
            return torch.where(index >= 0, self._labels[index], -1)
        if self.table is not None or self.pool is not None:
            raise ConfigError(
                "slots that belong to classes are kept from batch to batch: call "
                "take_labels(labels, classes) once, and give the index of each sample"
            )
        assert isinstance(self.config.targets, Mixture)
        return check_labels(labels, "nat", self.config.targets.count).to(device)

    def _matches(self, epoch: int) -> bool:
        config = self.config
        if config.ownership == "stream":
            return True
        clock = epoch
        if config.reassign_unit == "step":
            if self._steps is None:
                self._steps = int(self.step)
            clock = self._steps
        return self.training and clock % config.reassign_every == 0

    def _count_step(self) -> None:
        self.step += 1
        self._steps = None if self._steps is None else self._steps + 1

    def _load_from_state_dict(self, *state: Any) -> None:
        self._steps = None
        super()._load_from_state_dict(*state)
