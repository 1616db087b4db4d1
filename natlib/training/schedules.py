"""Schedules: how the learning rate changes over a run."""

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import Field

from natlib.component import Component, Registry, register
from natlib.families import SCHEDULES

__all__ = ["Constant", "Cosine", "Schedule"]


class Schedule(Component):
    """The learning rate by update: a linear warm-up, then what the kind says.

    A plug-in registers its own under ``natlib.schedules``.
    """

    registry: ClassVar[Registry[Any]] = SCHEDULES

    warmup_steps: int = Field(default=200, ge=0)
    """Updates of linear warm-up; at most a tenth of the run is used."""

    @abstractmethod
    def factor(self, progress: float) -> float:
        """The learning rate after the warm-up, as a share of the peak.

        Args:
            progress: share of the updates after the warm-up that are done: 0 at the first of
                them, below 1 at the last.
        """

    def rate(self, peak: float, step: int, steps: int) -> float:
        """Learning rate of an update: a pure function, so that a resumed run agrees.

        Args:
            peak: learning rate at the end of the warm-up.
            step: number of the update, from 0.
            steps: updates in the whole run.
        """
        # A short run would otherwise spend itself on warming up.
        warmup = min(self.warmup_steps, steps // 10)
        if step < warmup:
            return peak * (step + 1) / warmup
        return peak * self.factor((step - warmup) / max(1, steps - warmup))


@register
class Cosine(Schedule):
    """Half a cosine, from the peak to ``final_factor`` of it."""

    kind: Literal["cosine"] = "cosine"
    final_factor: float = Field(default=0.0, ge=0, le=1)
    """Learning rate at the end, as a share of the peak."""

    def factor(self, progress: float) -> float:
        low = self.final_factor
        return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress))


@register
class Constant(Schedule):
    """The peak, after the warm-up."""

    kind: Literal["constant"] = "constant"

    def factor(self, progress: float) -> float:
        return 1.0
