"""Noise As Targets: predict the targets that an assignment gives to samples.

Shapes: v views, b samples in the batch, f features, d target dimensions, m targets per sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from natlib.assignment import Assignment, Step, Stream, majority_class
from natlib.component import register
from natlib.encoders import Head, MlpHead
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.distances import mean_cosine
from natlib.objectives.embedding import check_finite, to_float32
from natlib.objectives.health import embedding_health, random_cosine
from natlib.objectives.nat_loss import NATLoss
from natlib.objectives.teacher import Teacher, TeacherModule, teacher_embeddings
from natlib.runtime.progress import Work
from natlib.targets import TargetDistribution, UniformSphere

__all__ = ["NAT", "NATModule"]


@register
class NAT(Objective):
    """Noise As Targets (Bojanowski & Joulin, ICML 2017, arXiv 1704.05310), generalised.

    With ``z_v`` the embedding of view v and ``c`` the mean of the sample's m targets,
    the loss of a sample is

        target_weight * mean_v |z_v - c|^2  +  alignment * mean_{v<w} |z_v - z_w|^2
            +  repulsion.weight * mean_v log mean_j exp(-|z_v - c_j|^2 / (2 repulsion.temperature))

    where ``c_j`` is the centroid of another sample of the batch: the last term is the log density
    of the others' centroids around an embedding. With repulsion, centroids are projected onto the
    sphere if targets are on it, and by default the first and the last term together are a
    decoupled softmax cross-entropy over the centroids of the batch, in which the denominator
    leaves out a sample's own centroid (Yeh et al., "Decoupled Contrastive Learning", ECCV 2022,
    arXiv 2110.06848).

    With a teacher, ``t_w`` being its embedding of view w, the second mean is
    ``mean_{v!=w} |z_v - t_w|^2``; where t and z agree, its gradient is half as long.

    The 2017 method is ``views=1, assignment=Bank(every=3),
    loss=NATLoss(target_weight=1, reduction="sum")``.
    """

    moved: ClassVar[Mapping[str, str]] = {
        "alignment": "loss.alignment",
        "anchor": "match_on",
        "class_shares": "assignment.class_targets",
        "class_slots": "assignment.class_targets",
        "ownership": "assignment",
        "reassign_every": "assignment.every",
        "reassign_unit": "assignment.unit",
        "reduction": "loss.reduction",
        "refresh": "assignment.reassign",
        "repulsion": "loss.repulsion.weight",
        "semidiscrete": "assignment",
        "slots": "assignment.slots",
        "solver": "assignment.solver",
        "target_weight": "loss.target_weight",
        "temperature": "loss.repulsion.temperature",
    }

    kind: Literal["nat"] = "nat"
    targets: TargetDistribution = UniformSphere(dim=32)
    """What to predict."""
    assignment: Assignment = Stream()
    """Which targets a sample aims at."""
    head: Head = MlpHead()
    """From features to the space of the targets."""
    match_on: Literal["mean", "first"] = "mean"
    """What is matched with targets: the mean of a sample's views, or its first view. With the
    first view, matching can overlap with the encoding of the others."""
    teacher: Teacher | None = None
    """A moving average of encoder and head. Each view then aligns with the teacher's embeddings
    of the other views instead of with these views."""
    loss: NATLoss = NATLoss()
    """Weights of the terms."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.views < self.assignment.min_views:
            raise ValueError(
                f"assignment '{self.assignment.kind}' needs views >= {self.assignment.min_views}, "
                "since a fresh target that a single view meets once teaches nothing, and views is "
                f"{self.views}; set views to {self.assignment.min_views} or assignment to bank"
            )
        if self.views < 2 and self.loss.alignment:
            raise ValueError(
                f"loss.alignment is {self.loss.alignment:g}, and views is 1: there is no other "
                "view to align with; set views to 2, or leave loss.alignment out"
            )
        if self.teacher is not None and (self.views < 2 or self.loss.alignment == 0):
            raise ValueError(
                "each view aligns with the teacher's embeddings of the other views, and views is "
                f"{self.views}, loss.alignment {self.loss.alignment_weight:g}; set views to 2 and "
                "loss.alignment above 0, or leave teacher out"
            )
        self.assignment.check_targets(self.targets)
        return self

    @property
    def uses_labels(self) -> bool:
        return self.assignment.uses_labels

    def aim(self, targets_MBD: Tensor) -> Tensor:
        """The point that each sample aims at, Tensor[b, d], for targets Tensor[m, b, d]."""
        centroid_BD = targets_MBD.mean(0)
        # The mean of targets on the sphere lies inside it. Attraction to it would be weaker than
        # repulsion from the other centroids.
        return self.targets.project(centroid_BD) if self.loss.repulsion else centroid_BD

    def matched_on(self, z_VBD: Tensor) -> Tensor:
        """What is matched with targets, Tensor[b, d], for detached embeddings Tensor[v, b, d]."""
        return z_VBD[0] if self.match_on == "first" else self.targets.project(z_VBD.mean(0))

    def for_classes(self, labelled: Sequence[int]) -> Self:
        targets = self.assignment.for_classes(self.targets, labelled)
        return self if targets is self.targets else self.model_copy(update={"targets": targets})

    def build(self, feature_dim: int, samples: int | None = None) -> "NATModule":
        """See :meth:`Objective.build`; the assignment 'bank' needs ``samples``."""
        return NATModule(self, feature_dim, samples)


class NATModule(ObjectiveModule):
    """Head, targets, assignment and teacher of :class:`NAT`."""

    shown = (
        "matched {matched_cosine:.3f} (random {random_cosine:.3f})",
        "pseudo-labels {pseudo_label_accuracy:.1f} %",
    )

    def __init__(self, config: NAT, feature_dim: int, samples: int | None) -> None:
        super().__init__()
        self.config = config
        self.loss_is_sum = config.loss.reduction == "sum"
        self.head: nn.Module = config.head.build(feature_dim, config.targets.dim)
        self.targets = config.targets.build()
        self.assignment = config.assignment.build(self.targets, samples)
        self.teacher: TeacherModule | None = None
        # The teacher's embeddings of the views of this step.
        self._teacher_views: list[Tensor] | None = None
        self._random_cosine: dict[int, Tensor] = {}

    def embed(self, features: Tensor) -> Tensor:
        """Head outputs Tensor[b, d] in the space of the targets, float32 or better."""
        return self.config.targets.project(to_float32(self.head(features)))

    def on_start(self, encoder: nn.Module) -> None:
        """Copy encoder and head if there is a teacher."""
        if self.config.teacher is not None:
            self.teacher = TeacherModule(encoder, self.head)

    def after_update(self, encoder: nn.Module, done: float) -> None:
        """Update the teacher's average."""
        if self.teacher is not None and self.config.teacher is not None:
            self.teacher.follow(encoder, self.head, self.config.teacher.momentum_at(done))

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """No extra inputs; a teacher encodes the views by itself."""
        if self.teacher is not None:
            project = self.config.targets.project
            self._teacher_views = [project(to_float32(self.teacher(view))) for view in views]
        return []

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        self.assignment.take_labels(labels, classes)

    def before_epoch(self, epoch: int) -> Work | None:
        return self.assignment.before_epoch(epoch)

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        config, step = self.config, Step(epoch, index, labels)
        teacher_views, self._teacher_views = self._teacher_views, None
        teacher_VBD = None
        if config.teacher is not None:
            teacher_VBD = torch.stack(teacher_embeddings(teacher_views, config.kind))
        inputs: list[Tensor] = []
        embeddings: list[Tensor] = []
        pending = None
        for view in features:
            inputs.append(view)
            embeddings.append(self.embed(view))
            if len(embeddings) == 1 and config.match_on == "first":
                early = replace(step, more_views=config.views > 1)
                pending = self.assignment.begin(embeddings[0].detach(), early)
        z_VBD = torch.stack(embeddings)
        check_finite(inputs, z_VBD)
        matched_BD = config.matched_on(z_VBD.detach())
        if pending is None:
            pending = self.assignment.begin(matched_BD, step)
        assigned = self.assignment.finish(pending)

        losses_B, terms = config.loss.of_samples(z_VBD, config.aim(assigned.targets), teacher_VBD)
        measures = dict(assigned.measures)
        if health:
            # Learned targets have a gradient.
            measures["matched_cosine"] = mean_cosine(matched_BD, assigned.targets.detach())
            measures["own_cosine"] = mean_cosine(matched_BD, assigned.own.detach())
            measures["random_cosine"] = self._baseline(len(matched_BD), matched_BD.device)
            measures |= embedding_health(matched_BD)
        return ObjectiveOutput(
            losses_B.sum() if self.loss_is_sum else losses_B.mean(),
            terms,
            measures,
            None if assigned.classes is None else majority_class(assigned.classes),
        )

    def _baseline(self, batch: int, device: torch.device) -> Tensor:
        if batch not in self._random_cosine:
            self._random_cosine[batch] = random_cosine(self.assignment, batch, device)
        return self._random_cosine[batch]
