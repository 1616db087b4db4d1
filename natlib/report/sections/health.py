"""Section: the last values of the metrics that show whether a run works."""

from collections.abc import Callable
from typing import NamedTuple

from natlib.report.charts.axes import label
from natlib.report.page import Section, note
from natlib.runs import RunLog

__all__ = ["health"]

_TITLE = "Health"


class _Question(NamedTuple):
    text: str
    metric: str
    well: Callable[[float], bool]
    wanted: str


# The bounds are those of docs/diagnosis.md.
_QUESTIONS = (
    _Question("Are the embeddings spread?", "embedding_std", lambda v: v >= 0.9, "0.9 or more"),
    _Question("Do the views of a sample agree?", "loss_alignment", lambda v: v < 1.0, "below 1"),
    _Question("Do embeddings use more than a line?", "effective_rank", lambda v: v > 2, "above 2"),
    _Question("Do samples arrive in time?", "loader_share", lambda v: v <= 0.2, "at most 0.2"),
    _Question("Are matchings quick enough?", "solver_share", lambda v: v <= 0.2, "at most 0.2"),
)


def health(log: RunLog) -> Section:
    """Questions with their answers.

    Args:
        log: the run.
    """
    rows = []
    for question in _QUESTIONS:
        series = log.metrics.get(question.metric)
        if series is None or (question.metric == "loss_alignment" and not any(series.values)):
            continue  # not logged, or always 0 because there is a single view
        rows.append(
            {
                "question": question.text,
                "metric": question.metric,
                "value": label(series.last),
                "wanted": question.wanted,
                "well": question.well(series.last),
            }
        )
    if not rows:
        return note("health", _TITLE, "Nothing has been logged yet.")
    return Section("health", _TITLE, "health.html.j2", {"rows": rows})
