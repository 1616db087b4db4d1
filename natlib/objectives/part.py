"""One objective of a weighted sum."""

from pydantic import Field

from natlib.component import Settings
from natlib.objectives.base import Objective
from natlib.objectives.weight_schedules import ConstantWeight, WeightSchedule

__all__ = ["Part"]


class Part(Settings):
    """An objective, its weight, and how the weight changes."""

    objective: Objective
    """What is minimised."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of its loss in the sum."""
    schedule: WeightSchedule = ConstantWeight()
    """How the weight changes over the epochs: ``constant``, ``linear`` or ``cosine``."""

    def weight_in(self, epoch: int) -> float:
        """The weight in an epoch, counted from 0."""
        return self.schedule.weight_in(epoch, self.weight)
