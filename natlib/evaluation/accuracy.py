"""Accuracy in percent."""

import torch
from torch import Tensor

__all__ = ["majority_baseline", "percent"]


def percent(predicted: Tensor, labels: Tensor) -> float:
    """Share of predictions that are right, in percent."""
    return 100.0 * float((predicted == labels).double().mean())


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
