"""Section: curves of all metrics, with reference lines."""

from collections.abc import Mapping

from natlib.report.charts import Curve, Reference, line_chart
from natlib.report.charts.axes import label
from natlib.report.metrics import panels_of
from natlib.report.page import Section, note
from natlib.runs import RunLog

__all__ = ["curves"]

_TITLE = "Curves"


def curves(log: RunLog, references: Mapping[str, tuple[Reference, ...]]) -> Section:
    """A chart for each group of metrics.

    Args:
        log: the run.
        references: reference lines that depend on the run, by metric.
    """
    if not log.metrics:
        return note("curves", _TITLE, "Nothing has been logged yet.")
    panels = []
    for panel in panels_of(log.metrics, references):
        series = {name: log.metrics[name] for name in panel.names}
        lines = [
            Curve(
                name,
                one.steps,
                one.values,
                dashed=name == "random_cosine",
                last=label(one.last),
            )
            for name, one in series.items()
        ]
        panels.append(
            {
                "title": panel.title,
                "chart": line_chart(lines, panel.references, x_name="update", y_name=panel.axis),
                "meaning": panel.meaning,
            }
        )
    return Section("curves", _TITLE, "curves.html.j2", {"panels": panels})
