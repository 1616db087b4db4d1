"""Accuracy in percent."""

import torch
from torch import Tensor

__all__ = ["majority_baseline", "percent", "standard_error"]


def percent(predicted: Tensor, labels: Tensor) -> float:
    """Share of predictions that are right, in percent."""
    return 100.0 * float((predicted == labels).double().mean())


def standard_error(accuracy: float, count: int) -> float:
    """Standard error of an accuracy on so many samples, both in percent.

    That of a binomial share, ``sqrt(p (1 - p) / n)``, with one right and one wrong answer added, so
    that it is not 0 where all answers are right.

    Args:
        accuracy: in percent.
        count: n, the samples that it was measured on.
    """
    share = (accuracy / 100.0 * count + 1.0) / (count + 2.0)
    return 100.0 * float((share * (1.0 - share) / count) ** 0.5)


def majority_baseline(known: Tensor, asked: Tensor) -> float:
    """Accuracy in percent of always answering the most frequent training class.

    Where several classes are equally frequent, it is the mean over all of them: the accuracy to
    expect if one of them is picked at random. The first one would make the baseline depend on the
    order of the names of classes, and the best one would look at the test labels.

    Args:
        known: int64[n], the training labels.
        asked: int64[t], the test labels.
    """
    classes, counts = known.unique(return_counts=True)
    tied = classes[counts == counts.max()]
    return 100.0 * float(torch.isin(asked, tied).double().mean()) / len(tied)
