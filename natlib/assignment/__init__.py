"""Which targets samples aim at: assignments, and their parts."""

from natlib.assignment.bank import Bank, BankModule
from natlib.assignment.base import Assigned, Assignment, AssignmentModule, Step, preview_slots
from natlib.assignment.cells import Cells, CellsModule
from natlib.assignment.class_targets import majority_class
from natlib.assignment.counter import StreamCounter
from natlib.assignment.labels import check_labels
from natlib.assignment.reassignment import Allowed, Reassigned, reassign
from natlib.assignment.schedule import Reassignment
from natlib.assignment.semi_discrete import CellEstimate
from natlib.assignment.stream import Stream, StreamModule
from natlib.assignment.table import AssignmentTable

__all__ = [
    "Allowed",
    "Assigned",
    "Assignment",
    "AssignmentModule",
    "AssignmentTable",
    "Bank",
    "BankModule",
    "CellEstimate",
    "Cells",
    "CellsModule",
    "Reassigned",
    "Reassignment",
    "Step",
    "Stream",
    "StreamCounter",
    "StreamModule",
    "check_labels",
    "majority_class",
    "preview_slots",
    "reassign",
]
