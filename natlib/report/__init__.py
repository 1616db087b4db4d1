"""HTML reports of a run, and comparisons of runs."""

from natlib.report.comparison import Comparison, compare, write_comparison
from natlib.report.report import write_report
from natlib.runs import RunLog, Series, read_run_log

__all__ = [
    "Comparison",
    "RunLog",
    "Series",
    "compare",
    "read_run_log",
    "write_comparison",
    "write_report",
]
