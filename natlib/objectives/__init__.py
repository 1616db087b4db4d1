"""What to minimise: objectives."""

from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.nat import NAT, NATModule

__all__ = ["NAT", "NATModule", "Objective", "ObjectiveModule", "ObjectiveOutput"]
