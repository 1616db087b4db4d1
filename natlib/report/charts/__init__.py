"""Charts as inline SVG, in the colours of the page."""

from natlib.report.charts.heat import heat_map
from natlib.report.charts.lines import Curve, Reference, line_chart, steps

__all__ = ["Curve", "Reference", "heat_map", "line_chart", "steps"]
