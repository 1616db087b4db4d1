"""Section: accuracies beside their baselines."""

from natlib.evaluation import Evaluation
from natlib.report.page import Section, note

__all__ = ["evaluation"]

_TITLE = "Evaluation"


def evaluation(found: Evaluation | None) -> Section:
    """The table at the end of training.

    Args:
        found: what it says; None where there is none.
    """
    if found is None:
        return note(
            "evaluation",
            _TITLE,
            "There is no table of accuracies: the samples have no labels, or the run is not "
            "finished.",
        )
    rows = found.table()
    columns = {"kNN": [row.knn for row in rows], "linear probe": [row.linear for row in rows]}
    values = {
        "names": [row.features for row in rows],
        "columns": columns,
        "best": {name: max(column) for name, column in columns.items()},
        "details": found.details,
    }
    return Section("evaluation", _TITLE, "evaluation.html.j2", values)
