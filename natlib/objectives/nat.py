"""Noise As Targets: hit the targets that a matching deals out.

Shapes: v views, b samples in the batch, d target dimensions, m slots per sample.
"""

import time
from collections.abc import Sequence
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from natlib.assignment import AssignmentTable
from natlib.component import register
from natlib.diagnosis.health import embedding_health, random_matching_line
from natlib.encoders import Head, MlpHead
from natlib.errors import ConfigError, NonFiniteError
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.stream import StreamCounter
from natlib.solvers import Lapjv, Solver
from natlib.targets import Seed, TargetDistribution, UniformSphere

__all__ = ["NAT", "NATModule"]


@register
class NAT(Objective):
    """Noise As Targets (Bojanowski & Joulin, ICML 2017, arXiv 1704.05310), generalised.

    With ``z_v`` the embedding of view v and ``c`` the mean of the sample's m targets,
    the loss of a sample is

        target_weight * mean_v |z_v - c|^2  +  alignment * mean_{v<w} |z_v - z_w|^2

    The 2017 method is ``ownership="bank", views=1, slots=1, alignment=0,
    reassign_every=3, reduction="sum"``.
    """

    kind: Literal["nat"] = "nat"
    targets: TargetDistribution = UniformSphere(dim=32)
    """What to predict."""
    solver: Solver = Lapjv()
    """How targets are dealt to samples."""
    head: Head = MlpHead()
    """From features to the space of the targets."""
    ownership: Literal["bank", "stream"] = "stream"
    """``bank``: a sample keeps its slots across epochs, in a table (the 2017 method).
    ``stream``: every batch gets fresh slots; needs two or more views."""
    slots: int = Field(default=8, ge=1)
    """m, the slots that a sample owns; it regresses to the mean of their targets, an
    estimate of the centroid of its optimal-transport cell."""
    anchor: Literal["mean", "first"] = "mean"
    """What votes in the matching: the mean of the views, or the first view."""
    target_weight: float = Field(default=3.0, gt=0)
    """Weight of the squared distance to the targets."""
    alignment: float = Field(default=1.0, ge=0)
    """Weight of the squared distance between the views of a sample."""
    reassign_every: int = Field(default=1, ge=1)
    """Deal slots out again in every N-th epoch or step (bank only)."""
    reassign_unit: Literal["epoch", "step"] = "epoch"
    """What ``reassign_every`` counts."""
    reduction: Literal["mean", "sum"] = "mean"
    """Whether the loss is averaged or summed over the batch. The 2017 code sums: its
    learning rate of 0.01 is 2.56 on a mean over 256 samples."""
    seed: Seed = 0
    """Seed of the table that a bank starts from."""

    @model_validator(mode="after")
    def _check_ownership(self) -> Self:
        if self.ownership == "stream" and self.views < 2:
            raise ValueError(
                "ownership 'stream' needs views >= 2, since a fresh target that a single view "
                "meets once teaches nothing; set views to 2 or ownership to 'bank'"
            )
        if self.ownership == "stream" and (self.reassign_every, self.reassign_unit) != (1, "epoch"):
            raise ValueError(
                "reassign_every and reassign_unit are for ownership 'bank'; "
                "a stream deals fresh slots in every step"
            )
        return self

    def build(self, feature_dim: int, samples: int | None = None) -> "NATModule":
        """See :meth:`Objective.build`; a bank needs ``samples``."""
        return NATModule(self, feature_dim, samples)


class NATModule(ObjectiveModule):
    """Head, table or counter, and the loss of :class:`NAT`."""

    step: Tensor

    def __init__(self, config: NAT, feature_dim: int, samples: int | None) -> None:
        super().__init__()
        self.config = config
        self.loss_is_sum = config.reduction == "sum"
        self.head: nn.Module = config.head.build(feature_dim, config.targets.dim)
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
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def embed(self, features: Tensor) -> Tensor:
        """Head outputs Tensor[b, d] in the space of the targets, float32 or better."""
        z: Tensor = self.head(features)
        z = z if z.dtype == torch.float64 else z.float()
        return self.config.targets.project(z)

    def forward(
        self,
        features: Sequence[Tensor],
        index: Tensor | None = None,
        *,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        config = self.config
        z_VBD = torch.stack([self.embed(view) for view in features])
        anchor_BD = self._anchor(z_VBD)
        _check_finite(features, z_VBD)
        slots_MB = self._own_slots(index, len(anchor_BD), anchor_BD.device)
        own_MBD = config.targets.rows(slots_MB, dtype=z_VBD.dtype)

        measures: dict[str, Tensor] = {}
        matched_MBD = own_MBD
        if self._reassigns(epoch):
            started = time.perf_counter()
            columns_MB = config.solver.match(anchor_BD, own_MBD).columns
            seconds = time.perf_counter() - started
            if self.table is not None:
                assert index is not None
                self.table.reassign(index, columns_MB)
            matched_MBD = own_MBD.gather(1, columns_MB.unsqueeze(-1).expand_as(own_MBD))
            stayed = columns_MB == torch.arange(columns_MB.shape[1], device=columns_MB.device)
            measures["reassigned"] = 1.0 - stayed.float().mean()
            measures["solver_seconds"] = torch.tensor(seconds)
        if self.training:
            self.step += 1

        centroid_BD = matched_MBD.mean(0)
        to_target = (z_VBD - centroid_BD).square().sum(-1).mean(0)
        between_views = _view_distance(z_VBD)
        per_sample = config.target_weight * to_target + config.alignment * between_views
        loss = per_sample.sum() if self.loss_is_sum else per_sample.mean()
        parts = {"target": to_target.mean().detach(), "alignment": between_views.mean().detach()}
        if health:
            measures["matched_cosine"] = _cosine(anchor_BD, matched_MBD)
            measures["own_cosine"] = _cosine(anchor_BD, own_MBD)
            measures["random_cosine"] = random_matching_line(
                config.targets, config.solver, len(anchor_BD)
            )
            measures |= embedding_health(anchor_BD)
        return ObjectiveOutput(loss, parts, measures)

    def merge(self) -> None:
        """Bring table or counter of all processes together; a collective call."""
        for state in (self.table, self.counter):
            if state is not None:
                state.merge()

    def _anchor(self, z_VBD: Tensor) -> Tensor:
        z_VBD = z_VBD.detach()
        if self.config.anchor == "first":
            return z_VBD[0]
        return self.config.targets.project(z_VBD.mean(0))

    def _own_slots(self, index: Tensor | None, batch: int, device: torch.device) -> Tensor:
        """Slots int64[m, b] that the samples hold before the matching."""
        if self.counter is not None:
            count = self.config.slots * batch
            slots = self.counter.take(count) if self.training else self.counter.peek(count)
            return slots.view(self.config.slots, batch)
        assert self.table is not None
        if index is None:
            raise ConfigError(
                "ownership 'bank' needs the stable index of each sample: call with index=..."
            )
        return self.table.slots(index).to(device)

    def _reassigns(self, epoch: int) -> bool:
        config = self.config
        if config.ownership == "stream":
            return True
        clock = epoch if config.reassign_unit == "epoch" else int(self.step)
        return self.training and clock % config.reassign_every == 0


def _check_finite(features: Sequence[Tensor], z_VBD: Tensor) -> None:
    if torch.isfinite(z_VBD).all():
        return
    # Batch norm in the head spreads one sample's NaN over the batch: look before it first.
    for views in (features, z_VBD):
        bad = torch.stack([~torch.isfinite(view).all(-1) for view in views]).any(0)
        if bad.any():
            position = int(bad.nonzero()[0])
            raise NonFiniteError(
                f"the features of sample {position} of the batch hold NaN or infinity", position
            )


def _view_distance(z_VBD: Tensor) -> Tensor:
    """Mean squared distance over the pairs of views of each sample: Tensor[b]."""
    views = len(z_VBD)
    if views == 1:
        return z_VBD.new_zeros(z_VBD.shape[1])
    # sum_{v<w} |z_v - z_w|^2 = V sum_v |z_v - mean|^2, and there are V (V - 1) / 2 pairs.
    spread = (z_VBD - z_VBD.mean(0)).square().sum(-1).sum(0)
    return spread * (2.0 / (views - 1))


def _cosine(anchor_BD: Tensor, targets_MBD: Tensor) -> Tensor:
    return torch.cosine_similarity(anchor_BD.expand_as(targets_MBD), targets_MBD, dim=-1).mean()
