"""Section: reassigned slots."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from natlib.assignment import AssignmentTable, Bank
from natlib.report.charts import Curve, line_chart
from natlib.report.fit import nat_part, read_table
from natlib.report.page import Section, note
from natlib.report.subject import Subject
from natlib.runs import RunLog
from natlib.training.checkpoint import complete_checkpoints

__all__ = ["changed_slots", "slots"]

_TITLE = "Reassigned slots"
_MOST = 12


def slots(log: RunLog, subject: Subject) -> Section:
    """The share of reassigned slots in matchings, and between checkpoints.

    Args:
        log: the run.
        subject: its model and samples.

    Raises:
        CheckpointError: a table cannot be read.
    """
    found = nat_part(subject.model.objective)
    if found is None:
        return note("slots", _TITLE, "The objective has no slots.")
    name, module = found
    bank = module.config.assignment
    if not isinstance(bank, Bank):
        return note(
            "slots",
            _TITLE,
            f"The assignment is '{bank.kind}': every batch gets fresh targets, and samples keep "
            "no slots.",
        )
    tables = _tables(log, name, len(subject.samples))
    changes = [
        {"before": before, "after": after, "share": 100 * float(_share(one, other))}
        for (before, one), (after, other) in pairwise(tables)
    ]
    moved: list[int] = []
    if len(tables) > 1:
        often = changed_slots(tables[-2][1], tables[-1][1])[subject.index]
        # Among samples that lost as many slots, classes take turns.
        order = subject.draw(len(often))
        most = order[often[order].argsort(descending=True, stable=True)]
        moved = most[: int((often > 0).sum())].tolist()
    series = log.metrics.get("reassigned")
    values = {
        "chart": line_chart(
            [Curve("reassigned in the matching", series.steps, [100 * v for v in series.values])],
            x_name="update",
            y_name="% of the slots in a batch",
            from_zero=True,
        ) if series else None,
        "changes": changes,
        "count": bank.slots,
        "moved": len(moved),
        "shown": len(subject.index),
        "cells": [
            {"picture": subject.gallery.html(int(subject.index[row])), "name": subject.name_of(row)}
            for row in moved[:_MOST]
        ],
        "shape": subject.gallery.shape(),
    }  # fmt: skip
    return Section("slots", _TITLE, "slots.html.j2", values)


def changed_slots(before: AssignmentTable, after: AssignmentTable) -> Tensor:
    """The number of slots, of m, that each sample has lost between two tables: int64[n]."""
    return (before.permutation != after.permutation).sum(0)


def _share(before: AssignmentTable, after: AssignmentTable) -> Tensor:
    return changed_slots(before, after).sum() / after.permutation.numel()


def _tables(log: RunLog, part: str, samples: int) -> list[tuple[int, AssignmentTable]]:
    """The tables in the checkpoints, with the number of updates of each."""
    folders: Sequence[Path] = complete_checkpoints(log.path / "checkpoints")
    read = [(folder, read_table(folder, part, samples)) for folder in folders]
    return [(int(folder.name.split("-")[1]), table) for folder, table in read if table is not None]
