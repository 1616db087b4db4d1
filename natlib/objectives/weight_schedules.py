"""How the weight of a part of a combined objective changes over a run."""

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import Field

from natlib.component import Component, Registry, register
from natlib.families import WEIGHT_SCHEDULES

__all__ = ["ConstantWeight", "CosineWeight", "LinearWeight", "WeightSchedule"]


class WeightSchedule(Component):
    """The weight of a part in each epoch.

    A plug-in registers its own under ``natlib.weight_schedules``.
    """

    registry: ClassVar[Registry[Any]] = WEIGHT_SCHEDULES

    @abstractmethod
    def weight_in(self, epoch: int, weight: float) -> float:
        """The weight in an epoch.

        Args:
            epoch: counted from 0.
            weight: the weight of the part, as configured.
        """


@register
class ConstantWeight(WeightSchedule):
    """The configured weight in every epoch."""

    kind: Literal["constant"] = "constant"

    def weight_in(self, epoch: int, weight: float) -> float:
        return weight


class _Ramp(WeightSchedule):
    """From ``start`` to the configured weight."""

    start: float = Field(default=0.0, ge=0)
    """Weight up to epoch ``begin``."""
    begin: int = Field(default=0, ge=0)
    """Epoch from which the weight changes."""
    epochs: int = Field(default=10, ge=1)
    """Epochs that the change takes."""

    @abstractmethod
    def shape(self, progress: float) -> float:
        """The share of the change, from 0 to 1, after this share of ``epochs``."""

    def weight_in(self, epoch: int, weight: float) -> float:
        progress = min(max((epoch - self.begin) / self.epochs, 0.0), 1.0)
        return self.start + self.shape(progress) * (weight - self.start)


@register
class LinearWeight(_Ramp):
    """Linearly from ``start`` to the configured weight."""

    kind: Literal["linear"] = "linear"

    def shape(self, progress: float) -> float:
        return progress


@register
class CosineWeight(_Ramp):
    """Along half a cosine from ``start`` to the configured weight."""

    kind: Literal["cosine"] = "cosine"

    def shape(self, progress: float) -> float:
        return 0.5 * (1.0 - math.cos(math.pi * progress))
