"""Targets spread uniformly on the unit sphere: those of the 2017 paper."""

from typing import Literal

import torch
from torch import Tensor

from natlib.component import register
from natlib.targets.base import TargetDistribution
from natlib.targets.philox import normal_rows
from natlib.targets.sphere import normalise_

__all__ = ["UniformSphere"]


@register
class UniformSphere(TargetDistribution):
    """Uniform on the unit sphere in d dimensions (Bojanowski & Joulin 2017, section 3.2).

    A normalised Gaussian vector is uniform on the sphere, since the Gaussian
    density depends on the norm alone.
    """

    kind: Literal["uniform_sphere"] = "uniform_sphere"

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        return normalise_(normal_rows(self.seed, slot, self.dim, dtype))
