"""Accuracy with five labels per class: what encoders are trained for."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.data.sparse import is_sparse, rows_of
from natlib.evaluation.accuracy import percent
from natlib.evaluation.linear import fit_logistic_regression
from natlib.evaluation.result import Figure
from natlib.evaluation.sparse_rows import SparseRows

__all__ = ["PER_CLASS", "FiveLabels", "draw_five", "five_labels_accuracy"]

PER_CLASS = 5
_DRAWS = 5
# Nothing is left to choose it on. The same for all features: with so few samples, which nearly any
# plane tells apart, it hardly matters.
_WEIGHT_DECAY = 1e-4


class FiveLabels(NamedTuple):
    """Draws of five labelled samples of each class.

    Attributes:
        draws: int64[l] positions of training samples, for each draw.
        fewer: names of the classes that have fewer than five.
    """

    draws: list[Tensor]
    fewer: list[str]


def draw_five(labels: Tensor, classes: list[str], seed: int) -> FiveLabels:
    """Draw five samples of each class, five times; all of a class that has fewer.

    Args:
        labels: int64[n], each in 0 .. classes - 1.
        classes: their names.
        seed: of the first draw; the next one has the next seed.
    """
    members = [(labels == number).nonzero().squeeze(1) for number in range(len(classes))]
    draws = []
    for number in range(_DRAWS):
        own = torch.Generator().manual_seed((seed + number) % 2**64)
        chosen = [rows[torch.randperm(len(rows), generator=own)[:PER_CLASS]] for rows in members]
        draws.append(torch.cat(chosen).sort().values)
    fewer = [name for name, rows in zip(classes, members, strict=True) if 0 < len(rows) < PER_CLASS]
    return FiveLabels(draws, fewer)


def five_labels_accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, draws: list[Tensor]
) -> Figure:
    """Mean accuracy of logistic regressions on the drawn samples.

    Features are centred by the mean of all training samples, whose labels that does not need, and
    scaled to length 1; sparse ones are not centred.

    Args:
        train: Tensor[n, f].
        train_labels: int64[n].
        test: Tensor[q, f].
        test_labels: int64[q].
        draws: positions of the samples whose labels are seen.
    """
    accuracies = []
    centre = None if is_sparse(train) else train.mean(0)
    asked = _unit(test, centre)
    for rows in draws:
        known, own = torch.unique(train_labels[rows], return_inverse=True)
        seen = _unit(rows_of(train, rows), centre)
        weight, bias = fit_logistic_regression(seen, own, len(known), _WEIGHT_DECAY)
        scores = asked.times(weight) if isinstance(asked, SparseRows) else asked @ weight
        accuracies.append(percent(known[(scores + bias).argmax(1)], test_labels))
    return Figure.of(accuracies)


def _unit(features: Tensor, centre: Tensor | None) -> Tensor | SparseRows:
    if centre is None:
        return SparseRows.of(features).unit()
    return F.normalize(features - centre, dim=1)
