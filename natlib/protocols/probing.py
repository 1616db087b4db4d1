"""The linear probe that protocols share; its weight decay is chosen on a validation split."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from natlib.data.sparse import rows_of
from natlib.evaluation import EmbeddedSplits, fit_linear_probe, percent
from natlib.protocols.base import Subject

__all__ = ["Probed", "probe", "probe_part"]


class Probed(NamedTuple):
    """The result of a linear probe.

    Attributes:
        accuracy: percent of the test samples.
        chosen: the weight decay, and the validation accuracy of each.
    """

    accuracy: float
    chosen: dict[str, Any]


def probe(
    subject: Subject,
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    weight_decays: Sequence[float] | None = None,
) -> Probed:
    """Fit a linear probe on training features and test it on test features.

    Args:
        subject: gives the settings and the device.
        train: Tensor[n, f]; may be sparse.
        train_labels: int64[n].
        test: Tensor[q, f].
        test_labels: int64[q].
        weight_decays: what to choose from; by default the run's ``evaluation.weight_decays``.
    """
    config = subject.evaluation
    fitted = fit_linear_probe(
        train,
        train_labels,
        weight_decays=weight_decays or config.weight_decays,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
        device=subject.device,
    )
    tried = {f"{decay:g}": right for decay, right in fitted.validation_accuracy.items()}
    return Probed(
        percent(fitted.predict(test), test_labels),
        {"weight_decay": fitted.weight_decay, "validation_accuracy": tried},
    )


def probe_part(subject: Subject, found: EmbeddedSplits, row: str, positions: Tensor) -> Probed:
    """As :func:`probe`, for a probe that is fitted on a part of the training samples.

    Args:
        subject: as for :func:`probe`.
        found: features of both splits.
        row: whose features, ``encoder`` for example.
        positions: int64[l], the training samples of the part.
    """
    return probe(
        subject,
        rows_of(found.train[row], positions),
        found.train_labels[positions],
        found.test[row],
        found.test_labels,
    )
