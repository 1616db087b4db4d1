"""How often an objective takes samples for the class that they are of."""

from torch import Tensor

from natlib.data import TrainingLabels
from natlib.objectives import ObjectiveOutput
from natlib.training.meter import Meter

__all__ = ["PSEUDO_LABEL_ACCURACY", "measure_pseudo_labels"]

PSEUDO_LABEL_ACCURACY = "pseudo_label_accuracy"
"""Percent of pseudo-labels that are right, of samples whose label is known and was not shown."""


def measure_pseudo_labels(
    meter: Meter, output: ObjectiveOutput, index: Tensor, labels: TrainingLabels | None
) -> None:
    """Count the pseudo-labels of a batch that are right.

    Known labels that training does not see are looked at here, and nowhere else.

    Args:
        meter: what counts.
        output: of the objective, for this batch.
        index: int64[b], the samples.
        labels: what is known and what was shown; None where there are none.
    """
    if labels is None or output.pseudo_labels is None:
        return
    index = index.cpu()
    known = labels.known[index]
    asked = (known >= 0) & (labels.visible[index] < 0)
    right = output.pseudo_labels.cpu()[asked] == known[asked]
    meter.count(PSEUDO_LABEL_ACCURACY, int(right.sum()), int(asked.sum()))
