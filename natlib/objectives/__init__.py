"""What to minimise: objectives."""

from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.nat import NAT
from natlib.objectives.nat_module import NATModule
from natlib.objectives.refresh_schedule import RefreshSchedule

__all__ = ["NAT", "NATModule", "Objective", "ObjectiveModule", "ObjectiveOutput", "RefreshSchedule"]
