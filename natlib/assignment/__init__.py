"""Who aims at which target."""

from natlib.assignment.cells import Cells, SemiDiscrete
from natlib.assignment.counter import StreamCounter
from natlib.assignment.table import AssignmentTable

__all__ = ["AssignmentTable", "Cells", "SemiDiscrete", "StreamCounter"]
