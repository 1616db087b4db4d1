"""The reassignment of a whole data set's slots, with features that are on disk."""

from natlib.assignment.reassignment.groups import Allowed
from natlib.assignment.reassignment.reassign import Reassigned, reassign

__all__ = ["Allowed", "Reassigned", "reassign"]
