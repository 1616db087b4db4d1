"""What each metric of a run means, and which are drawn into one picture."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from natlib.report.charts import Reference

__all__ = ["PANELS", "Panel", "panels_of"]


@dataclass(frozen=True)
class Panel:
    """Metrics that are read together.

    Attributes:
        title: what they are about.
        names: the metrics; one that is compared with comes last.
        meaning: how to read them.
        references: lines to read them against.
    """

    title: str
    names: tuple[str, ...]
    meaning: str
    references: tuple[Reference, ...] = ()


PANELS = (
    Panel("Loss", ("loss",), "What is minimised. It should fall; how far depends on its parts."),
    Panel(
        "Distance to the targets",
        ("loss_target",),
        "Mean squared distance from an embedding to the mean of its targets. The matching alone "
        "brings it down to what random points reach; a bank gets below once samples have learnt "
        "where they belong.",
    ),
    Panel(
        "Distance between the views",
        ("loss_alignment",),
        "Of a sample. Falling is good as long as embeddings stay spread; it may rise at first.",
        (Reference(0.0, "views agree"), Reference(2.0, "nothing in common")),
    ),
    Panel(
        "How well the matching does",
        ("matched_cosine", "own_cosine", "random_cosine"),
        "Cosine with the targets after the matching and before it. random_cosine is what random "
        "points get for nothing. In a stream, coming near it shows spread; in a bank, own_cosine "
        "is the curve to watch, and it should rise.",
    ),
    Panel(
        "Slots that changed hands",
        ("reassigned",),
        "Share of a batch's slots that the matching gave to another sample. In a bank it falls as "
        "the table settles; in a stream slots are fresh, and it says nothing.",
        (Reference(1.0, "all of them"),),
    ),
    Panel(
        "Spread of the embeddings",
        ("embedding_std",),
        "Healthy runs end above 0.9.",
        (Reference(1.0, "as even as the sphere"), Reference(0.0, "one point")),
    ),
    Panel(
        "Directions in use",
        ("effective_rank",),
        "Effective rank of the embeddings of a batch. It may dip while classes form.",
    ),
    Panel(
        "kNN accuracy on the way",
        ("knn",),
        "In percent, on training samples whose labels training does not use.",
    ),
    Panel(
        "Accuracy of pseudo-labels",
        ("pseudo_label_accuracy",),
        "In percent: the classes of the slots that unlabelled samples own.",
    ),
    Panel("Learning rate", ("learning_rate",), "Warm-up, then the schedule."),
    Panel(
        "Change of the weights",
        ("weight_change",),
        "How far an update moved the weights of the encoder, as a share of their length.",
    ),
    Panel("Samples per second", ("samples_per_second",), "Over all processes."),
    Panel(
        "Time spent waiting",
        ("loader_share", "solver_share"),
        "Share of the time that training waited for samples, and for matchings.",
        (Reference(0.2, "worth doing something about"),),
    ),
    Panel(
        "Uneven cells",
        ("uneven_cells",),
        "How far the masses of the samples' cells are from equal.",
        (Reference(0.0, "equal"),),
    ),
)
"""The metrics of natlib's own objective."""

# Of combined objectives; the names of the parts are the user's.
_FAMILIES = (
    (r"gradient_cosine_\w+", "Do the parts pull in one direction?",
     "Cosine of the gradients at the encoder: below 0, two parts work against each other.",
     (Reference(0.0, "indifferent"),)),
    (r"gradient_share_\w+", "Who pulls how strongly?",
     "Norm of each part's weighted gradient, over the sum of the norms.", ()),
    (r"weight_\w+", "Weights of the parts", "As scheduled.", ()),
    (r"loss_\w+", "Parts of the loss", "As they are, without their weights.", ()),
)  # fmt: skip
# An estimate of what is left says nothing afterwards.
_NOT_SHOWN = {"seconds_left"}


def panels_of(
    names: Collection[str], references: Mapping[str, tuple[Reference, ...]]
) -> list[Panel]:
    """The panels for the metrics of a run; every metric is in one of them.

    Args:
        names: metrics that the run has.
        references: further lines, by metric.
    """
    left = [name for name in names if name not in _NOT_SHOWN]
    found = []
    for panel in PANELS:
        mine = tuple(name for name in panel.names if name in left)
        if mine:
            lines = panel.references + tuple(r for name in mine for r in references.get(name, ()))
            found.append(Panel(panel.title, mine, panel.meaning, lines))
            left = [name for name in left if name not in mine]
    for pattern, title, meaning, lines in _FAMILIES:
        mine = tuple(name for name in left if re.fullmatch(pattern, name))
        if mine:
            found.append(Panel(title, mine, meaning, lines))
            left = [name for name in left if name not in mine]
    return found + [Panel(name, (name,), _like(name)) for name in left]


def _like(name: str) -> str:
    """What a metric of a further part means: that of the one whose name it ends in."""
    for panel in PANELS:
        for known in panel.names:
            if name.endswith(f"_{known}"):
                return f"{panel.title}, of the part '{name.removesuffix(f'_{known}')}'."
    return "Logged by the objective."
