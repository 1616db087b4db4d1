"""Section: results of evaluations, with their baselines."""

from collections.abc import Mapping
from typing import Any

from natlib.evaluation import Evaluation
from natlib.report.page import Section, note

__all__ = ["evaluation"]

_TITLE = "Evaluation"


def evaluation(results: Mapping[str, Evaluation]) -> Section:
    """A table for each evaluation of a run.

    Args:
        results: the evaluations, by name.
    """
    if not results:
        return note(
            "evaluation",
            _TITLE,
            "There is no table of accuracies: the samples have no labels, or the run is not "
            "finished.",
        )
    tables = [_table(name, result) for name, result in results.items()]
    return Section("evaluation", _TITLE, "evaluation.html.j2", {"tables": tables})


def _table(name: str, result: Evaluation) -> dict[str, Any]:
    best = {
        column: max((row[column].value for row in result.rows.values() if column in row), default=0)
        for column in result.columns
    }
    return {
        "name": name,
        "result": result,
        "best": best,
        # Bars are drawn for percentages only.
        "bars": "%" in result.title and len(result.columns) <= 4,
    }
