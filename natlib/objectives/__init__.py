"""What to minimise: objectives."""

from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.nat import NAT
from natlib.objectives.nat_module import NATModule

__all__ = ["NAT", "NATModule", "Objective", "ObjectiveModule", "ObjectiveOutput"]
