"""Fit a linear classifier for each class on frozen features.

Shapes: n images, f features, c classes.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from natlib.evaluation.lbfgs import minimise

__all__ = ["binary_loss", "fit_one_vs_rest"]

_ITERATIONS = 200


def binary_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy, summed over classes and averaged over images.

    Args:
        logits: Tensor[n, c].
        labels: int64[n, c], 1 or 0; entries of -1 are ignored.
    """
    loss = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0).float(), reduction="none")
    return (loss * (labels >= 0)).sum() / len(logits)


def fit_one_vs_rest(
    features: Tensor, labels: Tensor, weight_decay: float
) -> Callable[[Tensor], Tensor]:
    """Minimise ``binary_loss + weight_decay / 2 * |W|^2`` by full-batch L-BFGS.

    Features are standardised first; the bias is not decayed.

    Args:
        features: float32[n, f].
        labels: int64[n, c].
        weight_decay: strength of the penalty.

    Returns:
        A function from features Tensor[q, f] to logits Tensor[q, c].
    """
    mean, scale = features.mean(0), features.std(0, correction=0).clamp_min(1e-6)
    x = (features - mean) / scale
    # A row for each class, as in natlib.evaluation: its gradient is faster to compute.
    weight = x.new_zeros(labels.shape[1], x.shape[1], requires_grad=True)
    bias = x.new_zeros(labels.shape[1], requires_grad=True)

    def loss() -> Tensor:
        cross = binary_loss(F.linear(x, weight, bias), labels)
        return cross + 0.5 * weight_decay * weight.square().sum()

    minimise(loss, [weight, bias], _ITERATIONS)
    w, b = weight.detach(), bias.detach()
    return lambda rows: F.linear((rows - mean) / scale, w, b)
