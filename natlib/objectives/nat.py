"""Noise As Targets: hit the targets that a matching deals out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from natlib.assignment.cells import SemiDiscrete
from natlib.assignment.schedule import Reassignment
from natlib.component import register
from natlib.encoders import Head, MlpHead
from natlib.objectives.base import Objective
from natlib.objectives.teacher import Teacher
from natlib.solvers import Lapjv, Solver
from natlib.targets import Mixture, Seed, TargetDistribution, UniformSphere

if TYPE_CHECKING:
    from natlib.objectives.nat_module import NATModule

__all__ = ["NAT"]


@register
class NAT(Objective):
    """Noise As Targets (Bojanowski & Joulin, ICML 2017, arXiv 1704.05310), generalised.

    With ``z_v`` the embedding of view v and ``c`` the mean of the sample's m targets,
    the loss of a sample is

        target_weight * mean_v |z_v - c|^2  +  alignment * mean_{v<w} |z_v - z_w|^2
            +  repulsion * mean_v log mean_j exp(-|z_v - c_j|^2 / (2 temperature))

    where ``c_j`` belongs to another sample of the batch: the last term is the logarithm of how
    densely the centroids of the others lie around an embedding. Where there is repulsion, all
    centroids are brought to the sphere if targets are on it, and by default the first and the last
    term together are a softmax over the centroids of the batch, in which a sample's own one is told
    from those of the others ("decoupled": it is not among its own negatives; Yeh et al.,
    "Decoupled Contrastive Learning", ECCV 2022, arXiv 2110.06848).

    With a teacher that views align with, ``t_w`` being what it makes of view w, the second mean
    is ``mean_{v!=w} |z_v - t_w|^2``, whose gradient is half as long where t and z agree.

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
    """What votes in the matching: the mean of the views, or the first view. With the first, the
    matching can run while the other views are computed."""
    teacher: Teacher | None = None
    """A moving average of encoder and head, whose embeddings take the place of the views' own."""
    teacher_role: Literal["vote", "align", "both"] = "both"
    """What its embeddings are for: to ``vote`` in the matching, which then can run while the views
    are computed; for each view to ``align`` with those of the other views; or ``both``."""
    semidiscrete: SemiDiscrete | None = None
    """In place of matchings: the limit of infinitely many slots (stream only). A sample regresses
    to the centroid of its cell of the target distribution, estimated from ``points`` fresh
    targets in every step; ``slots`` and ``solver`` have no part in it."""
    refresh: Reassignment | None = None
    """Now and then deal the slots of all samples out again, between two epochs (bank only)."""
    overlap: Literal["auto", "on", "off"] = "auto"
    """Whether the first view is matched while the next one is computed (anchor 'first').
    ``auto`` does so on an accelerator; on a CPU it measures which is faster."""
    pool: int = Field(default=0, ge=0)
    """Match each batch together with the last N samples before it, from a queue."""
    pool_warmup: int = Field(default=0, ge=0)
    """Epochs in which the queue is filled and not yet used."""
    target_weight: float | None = Field(default=None, gt=0)
    """Weight of the squared distance to the targets. By default 3, and with repulsion what a
    softmax has: ``repulsion / (2 temperature)``, so that samples are drawn as much as pushed."""
    alignment: float = Field(default=1.0, ge=0)
    """Weight of the squared distance between the views of a sample."""
    repulsion: float = Field(default=0.0, ge=0)
    """Weight of the density of the other samples' centroids; 0 leaves it out."""
    temperature: float = Field(default=0.2, gt=0)
    """How far the centroids of others are felt: the variance of the kernels of that density, in
    squared units of the targets' space."""
    reassign_every: int = Field(default=1, ge=1)
    """Deal slots out again in every N-th epoch or step (bank only)."""
    reassign_unit: Literal["epoch", "step"] = "epoch"
    """What ``reassign_every`` counts."""
    reduction: Literal["mean", "sum"] = "mean"
    """Whether the loss is averaged or summed over the batch. The 2017 code sums: its
    learning rate of 0.01 is 2.56 on a mean over 256 samples."""
    class_slots: bool = False
    """Where training sees labels, a labelled sample owns slots of its class only. Each class has
    a component of ``targets`` of its own, which need to be a mixture."""
    class_shares: Literal["labelled", "equal"] = "labelled"
    """How many slots each class has: in proportion to its labelled samples, or equally many.
    Weights of ``targets`` come first."""
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
        if self.ownership == "stream" and self.refresh is not None:
            raise ValueError(
                "refresh is for ownership 'bank', since a stream keeps no slots; "
                "leave it out or set ownership to 'bank'"
            )
        if self.teacher is None and self.teacher_role != "both":
            raise ValueError(
                f"teacher_role is '{self.teacher_role}', and there is no teacher; set "
                "teacher.momentum (to 0.99, say), or leave teacher_role out"
            )
        if self.teacher_aligns and (self.views < 2 or self.alignment == 0):
            raise ValueError(
                f"each view is to align with what the teacher makes of the others, and views is "
                f"{self.views}, alignment {self.alignment:g}; set views to 2 and alignment above "
                "0, or teacher_role to 'vote'"
            )
        if self.semidiscrete is not None and (self.ownership != "stream" or self.pool):
            raise ValueError(
                "semidiscrete is for ownership 'stream' without a pool: it draws fresh targets "
                "for every batch, as many as it likes; set it to null, or ownership to "
                "'stream' and pool to 0"
            )
        if self.semidiscrete is not None and self.solver != Lapjv():
            raise ValueError(
                f"semidiscrete takes the place of matchings, and solver is '{self.solver.kind}'; "
                "leave the solver out, or set semidiscrete to null"
            )
        if self.semidiscrete is not None and self.targets.learned:
            raise ValueError(
                "semidiscrete estimates cells of fixed targets, and these are learned; "
                "set it to null, or targets.learn to 'no'"
            )
        if self.class_slots and not isinstance(self.targets, Mixture):
            raise ValueError(
                "class_slots gives each class a component of a mixture, and these targets are "
                f"'{self.targets.kind}'; set targets.kind to 'mixture', or leave class_slots out"
            )
        if self.class_slots and self.semidiscrete is not None:
            raise ValueError(
                "semidiscrete deals no slots that could belong to a class; set it to null, or "
                "class_slots to false"
            )
        return self

    @property
    def attraction(self) -> float:
        """The weight of the squared distance to the targets, given or not."""
        if self.target_weight is not None:
            return self.target_weight
        return self.repulsion / (2 * self.temperature) if self.repulsion else 3.0

    def aim(self, centroid: Tensor) -> Tensor:
        """What embeddings are drawn to, of centroids Tensor[..., d] of their targets."""
        # A mean of targets on the sphere is the shorter, the more they differ: it would draw with
        # less than the centroids of the others push.
        return self.targets.project(centroid) if self.repulsion else centroid

    @property
    def teacher_votes(self) -> bool:
        """Whether a teacher's embeddings are matched."""
        return self.teacher is not None and self.teacher_role != "align"

    @property
    def teacher_aligns(self) -> bool:
        """Whether views align with a teacher's embeddings."""
        return self.teacher is not None and self.teacher_role != "vote"

    @property
    def uses_labels(self) -> bool:
        return self.class_slots

    def for_classes(self, labelled: Sequence[int]) -> Self:
        if not self.class_slots:
            return self
        from natlib.assignment.class_targets import mixture_for_classes

        assert isinstance(self.targets, Mixture)
        targets = mixture_for_classes(self.targets, labelled, self.class_shares == "labelled")
        return self.model_copy(update={"targets": targets})

    def build(self, feature_dim: int, samples: int | None = None) -> "NATModule":
        """See :meth:`Objective.build`; a bank needs ``samples``."""
        from natlib.objectives.nat_module import NATModule

        return NATModule(self, feature_dim, samples)
