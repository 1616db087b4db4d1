"""Pages to look at: what a run has learnt, whether it works, and how runs differ."""

from natlib.report.comparison import Comparison, compare, write_comparison
from natlib.report.report import write_report

__all__ = ["Comparison", "compare", "write_comparison", "write_report"]
