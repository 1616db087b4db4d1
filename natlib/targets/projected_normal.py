"""A cluster on the sphere."""

import math
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import register
from natlib.targets.base import TargetDistribution
from natlib.targets.cluster import check_length, drawn_direction
from natlib.targets.philox import normal_rows
from natlib.targets.sphere import normalise_

__all__ = ["ProjectedNormal"]


@register
class ProjectedNormal(TargetDistribution):
    """A cluster around a point of the unit sphere: ``normalise(mean + spread * g / sqrt(d))``.

    ``g`` is a standard Gaussian vector (Mardia & Jupp, "Directional Statistics", 2000, section
    9.3). An approximation of a von Mises-Fisher distribution that needs no rejection sampling: for
    large d both have the mean cosine ``1 / sqrt(1 + spread^2)`` to the mean direction if the
    concentration is ``d * sqrt(1 + spread^2) / spread^2``.
    """

    kind: Literal["projected_normal"] = "projected_normal"
    mean: Literal["drawn"] | tuple[float, ...] = "drawn"
    """Mean direction: d numbers, which are normalised, or 'drawn' from the seed."""
    spread: float = Field(default=0.5, gt=0)
    """Root mean square distance of points from the mean before they are projected onto the sphere.
    With 0.5 the mean cosine to the mean direction is 0.9."""

    @model_validator(mode="after")
    def _check_mean(self) -> Self:
        if self.mean != "drawn":
            check_length(self.mean, self.dim)
            if not 0 < math.hypot(*self.mean) < math.inf:
                raise ValueError(
                    "mean needs a direction: give finite numbers that are not all zero"
                )
        return self

    def direction(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The mean direction of the cluster, Tensor[d] of norm 1."""
        if self.mean == "drawn":
            return drawn_direction(self.seed, self.dim, dtype, device).clone()
        return normalise_(torch.tensor(self.mean, dtype=dtype, device=device))

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        rows = normal_rows(self.seed, slot, self.dim, dtype).mul_(self.spread * self.dim**-0.5)
        return normalise_(rows.add_(self.direction(dtype, slot.device)))
