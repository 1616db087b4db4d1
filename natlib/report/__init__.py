"""Pages to look at: what a run has learnt, whether it works, and how runs differ."""

from natlib.report.comparison import Comparison, compare, write_comparison
from natlib.report.report import write_report
from natlib.runs import Recorded, Series, read_recorded

__all__ = [
    "Comparison",
    "Recorded",
    "Series",
    "compare",
    "read_recorded",
    "write_comparison",
    "write_report",
]
