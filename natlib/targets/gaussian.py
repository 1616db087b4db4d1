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
    """Isotropic Gaussian with a standard deviation of ``scale / sqrt(d)`` a coordinate.

    With ``scale`` 1 the targets have a mean squared norm of 1, as the points of the
    unit sphere do, so that one learning rate serves both. Head outputs are left
    as they are: the norm of a target is part of what is predicted.
    """

    kind: Literal["gaussian"] = "gaussian"
    scale: float = Field(default=1.0, gt=0)
    """Root of the mean squared distance of a target from the mean."""
    mean: Literal["zero", "drawn"] | tuple[float, ...] = "zero"
    """The middle: zero, d numbers, or 'drawn' from the seed, on the unit sphere. With a mean of
    its own a Gaussian can be a component of a mixture."""

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
