"""Accuracy in percent."""

from torch import Tensor

__all__ = ["percent"]


def percent(predicted: Tensor, labels: Tensor) -> float:
    """Share of predictions that are right, in percent."""
    return 100.0 * float((predicted == labels).double().mean())
