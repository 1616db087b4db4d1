"""Prototypes: target vectors that many slots share."""

from typing import Any, Literal

import torch
from pydantic import Field, ValidationInfo, field_serializer, field_validator
from torch import Tensor

from natlib.component import register
from natlib.targets.balanced import balanced_classes
from natlib.targets.base import TargetDistribution
from natlib.targets.nested import fixed_part, written_part
from natlib.targets.uniform_sphere import UniformSphere

__all__ = ["PrototypeTargets", "Prototypes"]


class PrototypeTargets(TargetDistribution):
    """K vectors with equally many slots each: a balanced clustering into K clusters.

    Samples gather around prototypes, as in SwAV and SeLa. All prototypes have the same number of
    slots, within one, so samples cannot all be assigned to the same prototype.
    """

    count: int = Field(default=1000, ge=1, le=2**32)
    """K, the number of prototypes; it may exceed the number of samples."""
    start: TargetDistribution = Field(default=UniformSphere(), validate_default=True)
    """The vectors are the first K rows of this distribution, which gets their ``dim`` and
    ``seed``."""

    @field_validator("start")
    @classmethod
    def _hand_down(cls, start: TargetDistribution, info: ValidationInfo) -> TargetDistribution:
        if not {"dim", "seed"} <= info.data.keys():  # one of them is invalid, which is reported
            return start
        return fixed_part(start, "prototypes", dim=info.data["dim"], seed=info.data["seed"])

    @field_serializer("start")
    def _write(self, start: TargetDistribution) -> dict[str, Any]:
        return written_part(start, "dim", "seed")

    @property
    def on_sphere(self) -> bool:
        return self.start.on_sphere

    def prototype_of(self, slot: Tensor) -> Tensor:
        """The prototype of each slot: int64[...] in [0, K) for int64[...]."""
        return balanced_classes(self.seed, slot, self.count)

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The vectors before anything is learnt; see :meth:`build`."""
        return self.start.rows(self.prototype_of(slot), dtype)


@register
class Prototypes(PrototypeTargets):
    """K vectors that never move, computed when needed, with equally many slots each.

    See :class:`PrototypeTargets`; ``gradient_prototypes`` and ``mean_prototypes`` learn.
    """

    kind: Literal["prototypes"] = "prototypes"
