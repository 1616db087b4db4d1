"""Targets drawn from an isotropic Gaussian."""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.targets.base import TargetDistribution
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
    """Root of the mean squared norm of a target."""

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        deviation = self.scale / math.sqrt(self.dim)
        return normal_rows(self.seed, slot, self.dim, dtype) * deviation

    @property
    def on_sphere(self) -> bool:
        return False
