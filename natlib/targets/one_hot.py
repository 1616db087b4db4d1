"""Discrete targets, which the 2017 paper compares with."""

from typing import Literal

import torch
from torch import Tensor

from natlib.component import register
from natlib.targets.balanced import balanced_classes
from natlib.targets.base import TargetDistribution

__all__ = ["OneHot"]


@register
class OneHot(TargetDistribution):
    """One class of d for every slot, as a one-hot vector (Bojanowski & Joulin 2017, section 3.3).

    All classes have equally many slots, so that matching is a balanced clustering into d clusters;
    the paper finds that it does worse than targets spread over the sphere.
    """

    kind: Literal["one_hot"] = "one_hot"

    def class_of(self, slot: Tensor) -> Tensor:
        """Class int64[...] in [0, d) of the slots int64[...]."""
        return balanced_classes(self.seed, slot, self.dim)

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        chosen = self.class_of(slot).unsqueeze(-1)
        rows = torch.zeros(*slot.shape, self.dim, dtype=dtype, device=slot.device)
        return rows.scatter_(-1, chosen, 1.0)
