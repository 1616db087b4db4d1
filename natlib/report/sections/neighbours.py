"""Section: nearest neighbours by the trained encoder and by what it was before."""

from typing import Any

from torch import Tensor

from natlib.evaluation.knn import nearest_neighbours
from natlib.report.page import Section, note
from natlib.report.subject import Subject

__all__ = ["neighbours"]

_TITLE = "Nearest neighbours"
_SAMPLES, _NEIGHBOURS = 10, 6


def neighbours(subject: Subject) -> Section:
    """The samples with the most similar features, for some samples.

    Args:
        subject: the run's model and samples.
    """
    if len(subject.index) < 2:
        return note("neighbours", _TITLE, "There is only one sample.")
    rows = subject.draw(_SAMPLES)
    sheets = {
        "Trained encoder": "encoder",
        f"Encoder {subject.start_name}": "start",
    }
    found = {title: _of(subject, subject.features[name], rows) for title, name in sheets.items()}
    values = {
        "rows": [
            {
                "query": _cell(subject, int(row), None),
                "found": {title: cells[place] for title, cells in found.items()},
            }
            for place, row in enumerate(rows)
        ],
        "titles": list(sheets),
        "right": {title: _right(subject, cells, rows) for title, cells in found.items()},
        "shape": subject.gallery.shape(),
    }
    return Section("neighbours", _TITLE, "neighbours.html.j2", values)


def _of(subject: Subject, features: Tensor, rows: Tensor) -> list[list[dict[str, Any]]]:
    cosines, close = nearest_neighbours(features, features[rows], _NEIGHBOURS + 1)
    cells = []
    for row, cosine, near in zip(rows.tolist(), cosines.tolist(), close.tolist(), strict=True):
        # A sample is its own nearest neighbour, unless the features of another one are equal.
        others = [(n, c) for n, c in zip(near, cosine, strict=True) if n != row][:_NEIGHBOURS]
        label = subject.label_of(row)
        cells.append([_cell(subject, n, label) | {"cosine": c} for n, c in others])
    return cells


def _cell(subject: Subject, row: int, wanted: str | None) -> dict[str, Any]:
    label = subject.label_of(row)
    return {
        "picture": subject.gallery.html(int(subject.index[row])),
        "name": subject.name_of(row),
        "label": label,
        "wrong": wanted is not None and label is not None and label != wanted,
    }


def _right(subject: Subject, cells: list[list[dict[str, Any]]], rows: Tensor) -> str | None:
    """How many of the neighbours shown have the class of their sample."""
    known = [
        cell
        for row, near in zip(rows.tolist(), cells, strict=True)
        for cell in near
        if subject.label_of(row) is not None and cell["label"] is not None
    ]
    if not known:
        return None
    return f"{sum(not cell['wrong'] for cell in known)} of {len(known)} of its class"
