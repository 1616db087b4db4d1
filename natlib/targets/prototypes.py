"""A few target vectors that many slots share."""

from typing import Literal, Self

import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator
from torch import Tensor

from natlib.component import register
from natlib.targets.balanced import balanced_classes
from natlib.targets.base import TargetDistribution, TargetModule
from natlib.targets.nested import fixed_part
from natlib.targets.uniform_sphere import UniformSphere

__all__ = ["Prototypes"]


@register
class Prototypes(TargetDistribution):
    """K vectors, each of which owns equally many slots: a balanced clustering into K clusters.

    Samples gather around prototypes (as in SwAV and SeLa), and since all prototypes own as many
    slots, within one, not all samples can go to one of them. Prototypes that learn could still
    move to one point all together; ``spread`` keeps them from it.
    """

    kind: Literal["prototypes"] = "prototypes"
    count: int = Field(default=1000, ge=1, le=2**32)
    """K, the number of prototypes; more than samples is possible."""
    start: TargetDistribution = Field(default=UniformSphere(), validate_default=True)
    """Where the vectors come from: rows 0 to K - 1. Takes over ``dim`` and ``seed``."""
    learn: Literal["no", "gradient", "mean"] = "no"
    """``no``: the vectors never move, and are computed when needed. ``gradient``: they are
    weights, trained with all others. ``mean``: each moves towards the normalised mean of the
    embeddings that were matched to it."""
    rate: float = Field(default=0.05, gt=0, lt=1)
    """How far a prototype moves in one step, as a share of its way (learn 'mean')."""
    spread: bool = True
    """Keep prototypes that learn spread out: centred, with equal variance in all directions, of
    norm 1. Up to dim + 1 of them are then a regular simplex, which can only turn. Without it
    nothing stops them from collapsing onto one point, together with the samples."""

    @field_validator("start")
    @classmethod
    def _hand_down(cls, start: TargetDistribution, info: ValidationInfo) -> TargetDistribution:
        if not {"dim", "seed"} <= info.data.keys():  # one is wrong itself, and says so
            return start
        return fixed_part(start, "prototypes", dim=info.data["dim"], seed=info.data["seed"])

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.learn != "no" and not self.start.on_sphere:
            raise ValueError(
                f"prototypes that learn stay on the sphere, and {self.start.kind} does not lie "
                "on it; start from uniform_sphere or set learn to 'no'"
            )
        return self

    @property
    def on_sphere(self) -> bool:
        return self.start.on_sphere

    @property
    def learned(self) -> bool:
        return self.learn != "no"

    def prototype_of(self, slot: Tensor) -> Tensor:
        """Which prototype owns each slot: int64[...] in [0, K) for int64[...]."""
        return balanced_classes(self.seed, slot, self.count)

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The vectors as they are before anything is learnt; see :meth:`build`."""
        return self.start.rows(self.prototype_of(slot), dtype)

    def build(self) -> TargetModule:
        from natlib.targets.prototype_module import GradientPrototypes, MeanPrototypes

        if self.learn == "gradient":
            return GradientPrototypes(self)
        return MeanPrototypes(self) if self.learn == "mean" else TargetModule(self)
