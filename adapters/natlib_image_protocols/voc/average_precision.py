"""Average precision as the challenge measures it.

Shapes: n images, c classes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve
from torch import Tensor

__all__ = ["AveragePrecision", "average_precision", "average_precisions"]


class AveragePrecision(NamedTuple):
    """The two rules of the challenge, each in percent; NaN where there is nothing to find.

    Attributes:
        eleven_point: the mean, over recalls of 0, 0.1, ... 1, of the highest precision at that
            recall or a higher one (until 2009; VOC 2007 is reported so).
        area: the area under the same curve (from 2010 on).
    """

    eleven_point: float
    area: float


def average_precision(
    scores: npt.NDArray[np.floating], present: npt.NDArray[np.bool_]
) -> AveragePrecision:
    """Of one class. Images with equal scores are found at once, so their order is nothing.

    Args:
        scores: float[n], higher where the class is thought to be.
        present: bool[n], where it is.
    """
    if not present.any():
        return AveragePrecision(float("nan"), float("nan"))
    precision, recall, _ = precision_recall_curve(present, scores)
    # The last point, recall 0 with precision 1, is scikit-learn's own and not measured.
    precision, recall = np.maximum.accumulate(precision[:-1]), recall[:-1]
    # Recall falls from 1; where it reaches a level last, the precision is the highest beyond.
    levels = np.linspace(0, 1, 11)
    reached = np.searchsorted(-recall, -levels + 1e-9, side="right") - 1
    area = -np.diff(recall, append=0.0) @ precision
    return AveragePrecision(100.0 * float(precision[reached].mean()), 100.0 * float(area))


def average_precisions(scores: Tensor, labels: Tensor) -> list[AveragePrecision]:
    """Of every class.

    Args:
        scores: float Tensor[n, c].
        labels: int64[n, c], 1 where a class is, 0 where it is not; images with -1 are left out
            for that class.
    """
    found = []
    for column, truth in zip(scores.T, labels.T, strict=True):
        asked = truth >= 0
        found.append(average_precision(column[asked].numpy(), (truth[asked] == 1).numpy()))
    return found
