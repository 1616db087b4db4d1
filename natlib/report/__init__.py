"""A page to look at: what a run has learnt, and whether it works."""

from natlib.report.report import write_report

__all__ = ["write_report"]
