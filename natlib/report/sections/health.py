"""Section: the last values of the metrics that show whether a run works."""

from collections.abc import Callable
from typing import NamedTuple

from natlib.objectives import lowest_healthy_rank
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
    _Question("Do samples arrive in time?", "loader_share", lambda v: v <= 0.2, "at most 0.2"),
    _Question("Are matchings quick enough?", "solver_share", lambda v: v <= 0.2, "at most 0.2"),
)


def health(log: RunLog, dimensions: int | None = None) -> Section:
    """Questions with their answers.

    Args:
        log: the run.
        dimensions: d of the embeddings; None if there is no model to ask, and then no question
            about them either.
    """
    rows = []
    questions = [*_QUESTIONS]
    if dimensions is not None:
        questions.insert(2, _directions(lowest_healthy_rank(dimensions, log.batch)))
    for question in questions:
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


def _directions(lowest: float) -> _Question:
    return _Question(
        "Do embeddings use many directions?",
        "effective_rank",
        lambda value: value >= lowest,
        f"{label(lowest)} or more",
    )
