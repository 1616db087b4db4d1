"""Other people's losses as objectives: the loss is lightly's, all around it is natlib's.

Each gets the head and the views that NAT gets. Shapes: v views, b samples, d dimensions.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from lightly.loss import (
    BarlowTwinsLoss,
    DCLLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SIGReg,
    SwaVLoss,
    VICRegLoss,
)
from lightly.loss.lejepa_loss import lejepa_invariance_loss
from lightly.models.modules import BYOLPredictionHead, SimSiamPredictionHead, SwaVPrototypes
from lightly.models.utils import update_momentum
from pydantic import Field
from torch import Tensor, nn

from natlib.component import register
from natlib.encoders import Head, MlpHead
from natlib.objectives import Teacher, TeacherModule, embed_views, expect_views, teacher_embeddings
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.health import embedding_health
from natlib.objectives.view_loss import ViewLoss

__all__ = ["BYOL", "DCL", "BarlowTwins", "LeJEPA", "SimCLR", "SimSiam", "SwAV", "VICRegPeer"]


class _Peer(Objective):
    views: int = Field(default=2, ge=2, le=2)
    """Augmented views of a sample in a step."""
    dim: int = 128
    """Dimensions of the projection."""
    head: Head = MlpHead()
    """From features to projections: the same for all methods."""

    def criterion(self) -> nn.Module:
        raise NotImplementedError

    def build(self, feature_dim: int, samples: int | None = None) -> ViewLoss:
        return ViewLoss(
            self.kind, self.head.build(feature_dim, self.dim), self.views, self.criterion()
        )


class _Pair(nn.Module):
    """A loss of two tensors [b, d]."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, z_VBD: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.loss(z_VBD[0], z_VBD[1]), {}


@register
class SimCLR(_Peer):
    """Chen et al., ICML 2020."""

    kind: Literal["lightly_simclr"] = "lightly_simclr"
    temperature: float = 0.2
    """What cosines are divided by."""

    def criterion(self) -> nn.Module:
        return _Pair(NTXentLoss(temperature=self.temperature))


@register
class DCL(_Peer):
    """SimCLR whose positive is not among the negatives; Yeh et al., ECCV 2022."""

    kind: Literal["lightly_dcl"] = "lightly_dcl"
    temperature: float = 0.1
    """What cosines are divided by."""

    def criterion(self) -> nn.Module:
        return _Pair(DCLLoss(temperature=self.temperature))


@register
class VICRegPeer(_Peer):
    """Bardes, Ponce and LeCun, ICLR 2022."""

    kind: Literal["lightly_vicreg"] = "lightly_vicreg"
    invariance: float = 25.0
    """Weight of the difference of the views."""
    variance: float = 25.0
    """Weight of what standard deviations lack to 1."""
    covariance: float = 1.0
    """Weight of squared covariances."""

    def criterion(self) -> nn.Module:
        return _Pair(VICRegLoss(self.invariance, self.variance, self.covariance))


@register
class BarlowTwins(_Peer):
    """Zbontar et al., ICML 2021."""

    kind: Literal["lightly_barlow_twins"] = "lightly_barlow_twins"
    off_diagonal: float = 0.005
    """Weight of correlations between dimensions."""
    scale: float = 0.025
    """The paper's code multiplies its loss by this."""

    def criterion(self) -> nn.Module:
        return _Scaled(BarlowTwinsLoss(self.off_diagonal), self.scale)


class _Scaled(_Pair):
    def __init__(self, loss: nn.Module, scale: float) -> None:
        super().__init__(loss)
        self.scale = scale

    def forward(self, z_VBD: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss, parts = super().forward(z_VBD)
        return self.scale * loss, parts


@register
class LeJEPA(_Peer):
    """Balestriero and LeCun, 2025: views agree, projections are Gaussian."""

    kind: Literal["lightly_lejepa"] = "lightly_lejepa"
    sketch_weight: float = 0.05
    """Share of SIGReg in the loss; the rest is that the views agree."""

    def criterion(self) -> nn.Module:
        return _AllGlobal(self.sketch_weight)


class _AllGlobal(nn.Module):
    """LeJEPALoss asks for small crops too; these are its two terms without them."""

    def __init__(self, sketch_weight: float) -> None:
        super().__init__()
        self.sketch_weight = sketch_weight
        self.sketch = SIGReg()

    def forward(self, z_VBD: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        agree = lejepa_invariance_loss(all_proj=z_VBD, global_proj=z_VBD)
        return self.sketch_weight * self.sketch(z_VBD) + (1 - self.sketch_weight) * agree, {}


@register
class SimSiam(_Peer):
    """Chen and He, CVPR 2021."""

    kind: Literal["lightly_simsiam"] = "lightly_simsiam"
    dim: int = 512
    """Dimensions of the projection."""
    predictor_width: int = 128
    """Hidden width of the predictor."""

    def criterion(self) -> nn.Module:
        return _Predicted(self.dim, self.predictor_width)


class _Predicted(nn.Module):
    """Each view predicts the other, which stands still."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        # As in the paper, the projection ends with a batch norm.
        self.norm = nn.BatchNorm1d(dim, affine=False)
        self.predictor = SimSiamPredictionHead(dim, width, dim)
        self.loss = NegativeCosineSimilarity()

    def forward(self, z_VBD: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        z = [self.norm(view) for view in z_VBD]
        p = [self.predictor(view) for view in z]
        return 0.5 * (self.loss(p[0], z[1].detach()) + self.loss(p[1], z[0].detach())), {}


@register
class BYOL(_Peer):
    """Grill et al., NeurIPS 2020: each view predicts what a slow copy makes of the other.

    Their projection head is the one that all methods here have; the predictor is like it.
    """

    kind: Literal["lightly_byol"] = "lightly_byol"
    dim: int = 256
    """Dimensions of the projection."""
    predictor_width: int = 512
    """Hidden width of the predictor."""
    teacher: Teacher = Teacher()
    """How slowly the copy follows."""

    def build(self, feature_dim: int, samples: int | None = None) -> "_Bootstrap":
        return _Bootstrap(self, feature_dim)


class _Bootstrap(ObjectiveModule):
    def __init__(self, config: BYOL, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.head = config.head.build(feature_dim, config.dim)
        self.predictor = BYOLPredictionHead(config.dim, config.predictor_width, config.dim)
        self.loss = NegativeCosineSimilarity()
        self.target: TeacherModule | None = None
        self._taught: list[Tensor] | None = None

    def embed(self, features: Tensor) -> Tensor:
        return self.head(features).float()

    def on_start(self, encoder: nn.Module) -> None:
        self.target = TeacherModule(encoder, self.head)

    def after_update(self, encoder: nn.Module, done: float) -> None:
        momentum = self.config.teacher.momentum_at(done)
        update_momentum(encoder, self.target.encoder, momentum)
        update_momentum(self.head, self.target.head, momentum)

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        if self.target is not None:
            self._taught = [self.target(view).float() for view in views]
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
        said, self._taught = self._taught, None
        t = teacher_embeddings(said, self.config.kind)
        z_VBD = embed_views(expect_views(features, 2, 0, self.config.kind), self.embed)
        p = [self.predictor(view).float() for view in z_VBD]
        loss = 0.5 * (self.loss(p[0], t[1]) + self.loss(p[1], t[0]))
        measures = {}
        if health:
            measures = embedding_health(F.normalize(z_VBD.detach().mean(0), dim=-1))
        return ObjectiveOutput(loss, {}, measures)


@register
class SwAV(_Peer):
    """Caron et al., NeurIPS 2020, with its queue of earlier embeddings."""

    kind: Literal["lightly_swav"] = "lightly_swav"
    prototypes: int = 512
    """How many prototypes there are."""
    temperature: float = 0.1
    """What cosines with the prototypes are divided by."""
    epsilon: float = 0.05
    """Softness of the assignment."""
    queue: int = 2048
    """Earlier embeddings that take part in the assignment."""
    queue_warmup: int = 200
    """Steps before the queue is used."""
    frozen: int = 100
    """Steps in which the prototypes do not move."""

    def criterion(self) -> nn.Module:
        return _Swapped(self)


class _Swapped(nn.Module):
    step: Tensor
    queue: Tensor

    def __init__(self, config: SwAV) -> None:
        super().__init__()
        self.config = config
        self.prototypes = SwaVPrototypes(config.dim, config.prototypes, config.frozen)
        self.loss = SwaVLoss(config.temperature, sinkhorn_epsilon=config.epsilon)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("queue", torch.zeros(config.views, config.queue, config.dim))

    def forward(self, z_VBD: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        step = int(self.step)
        if self.training:
            self.prototypes.normalize()
        z_VBD = F.normalize(z_VBD, dim=-1)
        logits = [self.prototypes(view, step) for view in z_VBD]
        earlier = None
        filled = step * z_VBD.shape[1] >= self.config.queue
        if self.config.queue and filled and step >= self.config.queue_warmup:
            with torch.no_grad():
                earlier = [self.prototypes(view, step) for view in self.queue]
        loss = self.loss(logits, [], earlier).squeeze()
        if self.training:
            self.step += 1
            if self.config.queue:
                queue = torch.cat([z_VBD.detach(), self.queue], dim=1)
                self.queue.copy_(queue[:, : self.config.queue])
        return loss, {}
