"""Targets drawn from an isotropic Gaussian."""

import math
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import register
from natlib.targets.base import TargetDistribution
from natlib.targets.cluster import check_length, drawn_direction
from natlib.targets.philox import normal_rows

__all__ = ["Gaussian"]


@register
class Gaussian(TargetDistribution):
    """Isotropic Gaussian with a standard deviation of ``scale / sqrt(d)`` per coordinate.

    With ``scale`` 1 the mean squared norm of the targets is 1, as on the unit sphere, so the same
    learning rate suits both. Head outputs are not normalised: the norm of a target is predicted
    too.
    """

    kind: Literal["gaussian"] = "gaussian"
    scale: float = Field(default=1.0, gt=0)
    """Root mean square distance of the targets from their mean."""
    mean: Literal["zero", "drawn"] | tuple[float, ...] = "zero"
    """The mean: zero, d numbers, or 'drawn' from the seed, on the unit sphere. Components of a
    mixture need means that differ."""

    @model_validator(mode="after")
    def _check_mean(self) -> Self:
        if not isinstance(self.mean, str):
            check_length(self.mean, self.dim)
            if not all(math.isfinite(number) for number in self.mean):
                raise ValueError(f"mean needs finite numbers, got {self.mean}")
        return self

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        deviation = self.scale / math.sqrt(self.dim)
        rows = normal_rows(self.seed, slot, self.dim, dtype).mul_(deviation)
        if self.mean == "zero":
            return rows
        if self.mean == "drawn":
            return rows.add_(drawn_direction(self.seed, self.dim, dtype, slot.device))
        return rows.add_(torch.tensor(self.mean, dtype=dtype, device=slot.device))

    @property
    def on_sphere(self) -> bool:
        return False
