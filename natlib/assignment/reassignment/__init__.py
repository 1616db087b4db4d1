"""Deal all slots of a data set out again, with features that are on disk."""

from natlib.assignment.reassignment.blocks import Allowed
from natlib.assignment.reassignment.reassign import Reassigned, reassign

__all__ = ["Allowed", "Reassigned", "reassign"]
