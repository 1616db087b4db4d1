"""Average precision as the Pascal VOC challenge defines it.

Shapes: n images, c classes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve
from torch import Tensor

__all__ = ["AveragePrecision", "average_precision", "average_precisions"]


class AveragePrecision(NamedTuple):
    """Average precision by both rules of the challenge, in percent; NaN without positives.

    Attributes:
        eleven_point: the mean, over recalls of 0, 0.1, ... 1, of the highest precision at that
            recall or above (the rule until 2009, used for VOC 2007).
        area: the area under the same curve (the rule since 2010).
    """

    eleven_point: float
    area: float


def average_precision(
    scores: npt.NDArray[np.floating], present: npt.NDArray[np.bool_]
) -> AveragePrecision:
    """Average precision of one class; the order of images with equal scores does not matter.

    Args:
        scores: float[n], higher where the class is more likely.
        present: bool[n], the images that have the class.
    """
    if not present.any():
        return AveragePrecision(float("nan"), float("nan"))
    precision, recall, _ = precision_recall_curve(present, scores)
    # The last point, recall 0 with precision 1, is scikit-learn's own and not measured.
    precision, recall = np.maximum.accumulate(precision[:-1]), recall[:-1]
    # Recall falls from 1. The last position at a level has the highest precision at that recall or
    # above.
    levels = np.linspace(0, 1, 11)
    reached = np.searchsorted(-recall, -levels + 1e-9, side="right") - 1
    area = -np.diff(recall, append=0.0) @ precision
    return AveragePrecision(100.0 * float(precision[reached].mean()), 100.0 * float(area))


def average_precisions(scores: Tensor, labels: Tensor) -> list[AveragePrecision]:
    """Average precision of every class.

    Args:
        scores: float Tensor[n, c].
        labels: int64[n, c], 1 where a class is present, 0 where it is absent; -1 leaves the image
            out for that class.
    """
    found = []
    for column, truth in zip(scores.T, labels.T, strict=True):
        rated = truth >= 0
        found.append(average_precision(column[rated].numpy(), (truth[rated] == 1).numpy()))
    return found
