"""What the metrics of a run mean, and which are drawn in one chart."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from natlib.doctor import LOWEST_SPREAD, MOST_LOADER_SHARE, MOST_SOLVER_SHARE
from natlib.report.charts import Reference

__all__ = ["PANELS", "Panel", "panels_of"]


@dataclass(frozen=True)
class Panel:
    """Metrics that share a chart.

    Attributes:
        title: the title of the chart.
        names: the metrics; a baseline comes last.
        axis: what the vertical axis measures.
        meaning: how to read them.
        references: horizontal lines to compare with.
    """

    title: str
    names: tuple[str, ...]
    axis: str
    meaning: str
    references: tuple[Reference, ...] = ()


PANELS = (
    Panel(
        "Loss",
        ("loss",),
        "loss",
        "What is minimised. It should fall; how far depends on its terms.",
    ),
    Panel(
        "Distance to the targets",
        ("loss_target",),
        "squared distance",
        "Mean squared distance of an embedding to the mean of its targets. The assignment alone "
        "lowers it to the value of random points; with a bank it falls below that once the encoder "
        "has learnt the targets of its samples.",
    ),
    Panel(
        "Distance between the views",
        ("loss_alignment",),
        "squared distance",
        "Mean squared distance between the views of a sample. A fall is good as long as embeddings "
        "stay spread; it may rise at first.",
        (Reference(0.0, "views agree"), Reference(2.0, "nothing in common")),
    ),
    Panel(
        "Cosine with the targets",
        ("matched_cosine", "own_cosine", "random_cosine"),
        "cosine",
        "After the matching (matched_cosine) and before it (own_cosine). random_cosine is that of "
        "random points after the matching. In a stream, matched_cosine near it shows spread; in a "
        "bank, own_cosine is the curve to watch, and it should rise.",
    ),
    Panel(
        "Reassigned slots",
        ("reassigned",),
        "share of the slots",
        "Share of a batch's slots that the matching gave to another sample. In a bank it falls as "
        "the table settles; in a stream slots are fresh, and it is meaningless.",
        (Reference(1.0, "all slots"),),
    ),
    Panel(
        "Spread of the embeddings",
        ("embedding_std",),
        "standard deviation times √d",
        "Healthy runs end above 0.9.",
        (
            Reference(1.0, "uniform on the sphere"),
            Reference(LOWEST_SPREAD, "collapsed below"),
            Reference(0.0, "one point"),
        ),
    ),
    Panel(
        "Effective rank in a batch",
        ("effective_rank",),
        "directions",
        "The number of directions that the embeddings of a batch use; over more samples, as in the "
        "spectrum below, it is higher. It may dip while classes form.",
    ),
    Panel(
        "kNN accuracy during training",
        ("knn",),
        "accuracy in %",
        "In percent, on training samples whose labels training does not use.",
    ),
    Panel(
        "Accuracy of pseudo-labels",
        ("pseudo_label_accuracy",),
        "accuracy in %",
        "In percent: the classes of the slots that unlabelled samples own.",
    ),
    Panel("Learning rate", ("learning_rate",), "learning rate", "Warm-up, then the schedule."),
    Panel(
        "Change of the weights",
        ("weight_change",),
        "share of the norm",
        "Norm of an update of the encoder's weights, as a share of their norm.",
    ),
    Panel(
        "Samples per second", ("samples_per_second",), "samples per second", "Over all processes."
    ),
    Panel(
        "Time spent waiting for samples",
        ("loader_share",),
        "share of the time",
        "Above the line, natlib doctor asks for action.",
        (Reference(MOST_LOADER_SHARE, "too long"),),
    ),
    Panel(
        "Time spent waiting for matchings",
        ("solver_share",),
        "share of the time",
        "Above the line, natlib doctor asks for action.",
        (Reference(MOST_SOLVER_SHARE, "too long"),),
    ),
    Panel(
        "Uneven cells",
        ("uneven_cells",),
        "relative deviation",
        "Relative deviation of the masses of the samples' cells from equal masses.",
        (Reference(0.0, "equal"),),
    ),
)
"""The metrics of natlib's own objective."""

# Metrics of combined objectives, which contain the names of the parts.
_FAMILIES = (
    (r"gradient_cosine_\w+", "Do the gradients of the parts agree?", "cosine",
     "Cosine of the gradients at the encoder's features: below 0, two parts oppose each other.",
     (Reference(0.0, "unrelated"),)),
    (r"gradient_share_\w+", "Which part dominates?", "share of the norms",
     "Norm of each part's weighted gradient, over the sum of the norms.", ()),
    (r"weight_\w+", "Weights of the parts", "weight", "As scheduled.", ()),
    (r"loss_\w+", "Terms of the loss", "loss", "Without their weights.", ()),
)  # fmt: skip
# The estimated time left is meaningless afterwards.
_NOT_SHOWN = {"seconds_left"}


def panels_of(
    names: Collection[str], references: Mapping[str, tuple[Reference, ...]]
) -> list[Panel]:
    """The panels for the metrics of a run; every metric is in one of them.

    Args:
        names: the metrics of the run.
        references: additional reference lines, by metric.
    """
    left = [name for name in names if name not in _NOT_SHOWN]
    found = []
    for panel in PANELS:
        mine = tuple(name for name in panel.names if name in left)
        if mine:
            lines = panel.references + tuple(r for name in mine for r in references.get(name, ()))
            found.append(replace(panel, names=mine, references=lines))
            left = [name for name in left if name not in mine]
    for pattern, title, axis, meaning, lines in _FAMILIES:
        mine = tuple(name for name in left if re.fullmatch(pattern, name))
        if mine:
            found.append(Panel(title, mine, axis, meaning, lines))
            left = [name for name in left if name not in mine]
    return found + [_panel_of(name) for name in left]


def _panel_of(name: str) -> Panel:
    """A panel of a metric that has none: it means what the one does whose name it ends with."""
    for panel in PANELS:
        for known in panel.names:
            if name.endswith(f"_{known}"):
                part = name.removesuffix(f"_{known}")
                return Panel(name, (name,), panel.axis, f"{panel.title}, of the part '{part}'.")
    return Panel(name, (name,), "value", "Logged by the objective.")
