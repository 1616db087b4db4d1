"""Prototypes that learn: as trained weights, or as moving averages of the matched embeddings.

Shapes: k prototypes, d dimensions, m slots per sample, b samples in the batch.
"""

from typing import Literal, Self

import torch
import torch.distributed as dist
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from natlib.component import register
from natlib.runtime.processes import process_count
from natlib.targets.base import TargetModule
from natlib.targets.prototypes import PrototypeTargets
from natlib.targets.tight_frame import tight_frame

__all__ = [
    "GradientPrototypes",
    "GradientPrototypesModule",
    "LearnedPrototypes",
    "LearnedPrototypesModule",
    "MeanPrototypes",
    "MeanPrototypesModule",
]


class LearnedPrototypes(PrototypeTargets):
    """Prototypes that move. ``spread`` prevents that all move to the same point."""

    spread: bool = True
    """Keep prototypes spread out: centred, with equal variance in all directions, of norm 1. Up
    to dim + 1 of them are then a regular simplex, which can only rotate. Without it, prototypes
    and samples can collapse onto one point."""

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if not self.start.on_sphere:
            raise ValueError(
                f"prototypes that learn lie on the sphere, and start '{self.start.kind}' does not; "
                "set start to uniform_sphere or kind to prototypes"
            )
        return self

    @property
    def learned(self) -> bool:
        return True

    def normalised(self, vectors: Tensor) -> Tensor:
        """Vectors Tensor[k, d] as a tight frame if ``spread``, else of norm 1."""
        return tight_frame(vectors) if self.spread else F.normalize(vectors, dim=-1)


@register
class GradientPrototypes(LearnedPrototypes):
    """Prototypes that are trained by gradient descent, with all other weights."""

    kind: Literal["gradient_prototypes"] = "gradient_prototypes"

    def build(self) -> "GradientPrototypesModule":
        return GradientPrototypesModule(self)


@register
class MeanPrototypes(LearnedPrototypes):
    """Prototypes that move towards the normalised mean of the embeddings matched to them."""

    kind: Literal["mean_prototypes"] = "mean_prototypes"
    rate: float = Field(default=0.05, gt=0, lt=1)
    """Share of the way to that mean that a prototype moves in one step."""

    def build(self) -> "MeanPrototypesModule":
        return MeanPrototypesModule(self)


class LearnedPrototypesModule(TargetModule):
    """K vectors of norm 1 that change during training.

    Args:
        config: where they start, and whether they are spread out.
    """

    vectors: Tensor

    def __init__(self, config: LearnedPrototypes) -> None:
        super().__init__(config)
        self.prototype_of = config.prototype_of
        self.normalised = config.normalised

    def prototypes(self) -> Tensor:
        """The current vectors Tensor[k, d]."""
        return self.vectors

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        vectors = self.prototypes()
        number = self.prototype_of(slot.to(vectors.device))
        return F.embedding(number, vectors).to(dtype)


def _start(config: LearnedPrototypes) -> Tensor:
    return config.start.rows(torch.arange(config.count))


class GradientPrototypesModule(LearnedPrototypesModule):
    """The weights of :class:`GradientPrototypes`.

    The weights are unconstrained; at each use they are spread out or normalised. So the prototypes
    stay on the sphere with any optimiser, their gradients are averaged over processes like all
    others, and checkpoints hold plain weights.
    """

    def __init__(self, config: GradientPrototypes) -> None:
        super().__init__(config)
        self.vectors = nn.Parameter(_start(config))

    def prototypes(self) -> Tensor:
        return self.normalised(self.vectors)


class MeanPrototypesModule(LearnedPrototypesModule):
    """The vectors of :class:`MeanPrototypes`."""

    def __init__(self, config: MeanPrototypes) -> None:
        super().__init__(config)
        self.rate = config.rate
        self.register_buffer("vectors", config.normalised(_start(config)))

    @torch.no_grad()
    def update(self, slot: Tensor, z: Tensor) -> None:
        """Move the prototypes; with several processes, one collective call of k (d + 1) numbers.

        A prototype without a match in this step only moves in as far as all are spread out.

        Args:
            slot: int64[m, b], the slots that were assigned to the samples.
            z: Tensor[b, d], the points that were matched.
        """
        number = self.prototype_of(slot.to(self.vectors.device))
        # The last column counts matches.
        matched = F.pad(z.detach().to(self.vectors), (0, 1), value=1.0)
        matched = matched.expand(*number.shape, -1).flatten(0, -2)
        total = matched.new_zeros(len(self.vectors), matched.shape[-1])
        total.index_add_(0, number.flatten(), matched)
        if process_count() > 1:
            dist.all_reduce(total)
        mean = F.normalize(total[:, :-1], dim=-1)
        rate = self.rate * (total[:, -1:] > 0).to(total)
        self.vectors.copy_(self.normalised(torch.lerp(self.vectors, mean, rate)))
