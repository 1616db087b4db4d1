"""Linear probe: multinomial logistic regression on frozen features.

Shapes: n samples, f features, c classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.data.sparse import is_sparse
from natlib.errors import ConfigError, DataError
from natlib.evaluation.lbfgs import minimise
from natlib.evaluation.sparse_rows import SparseRows
from natlib.evaluation.splits import stratified_split

__all__ = ["LinearProbe", "fit_linear_probe", "fit_logistic_regression"]

_ITERATIONS = 200
_PREDICT_ROWS = 8192
_CLEARLY_WORSE = 1.0  # percent


class LinearProbe(NamedTuple):
    """A fitted probe.

    Attributes:
        weight: float32[f, c], for standardised features.
        bias: float32[c].
        mean: float32[f], of the training features.
        scale: float32[f], their standard deviation; 1 where a feature is constant.
        labels: int64[c], what the columns stand for.
        weight_decay: the one that was chosen.
        validation_accuracy: percent, for each weight decay that was tried; empty if there
            was nothing to choose from or to choose on.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor
    labels: Tensor
    weight_decay: float
    validation_accuracy: dict[float, float]

    def predict(self, features: Tensor) -> Tensor:
        """Labels int64[q], on the CPU, of features Tensor[q, f]."""
        if is_sparse(features):
            weight = self.weight.cpu() / self.scale.cpu()[:, None]
            bias = self.bias.cpu() - self.mean.cpu() @ weight
            return self.labels.cpu()[_logits(SparseRows.of(features), weight, bias).argmax(1)]
        best = []
        for part in torch.split(features, _PREDICT_ROWS):
            rows = (part.to(self.mean.device, torch.float32) - self.mean) / self.scale
            best.append(_logits(rows, self.weight, self.bias).argmax(1))
        return self.labels[torch.cat(best)].cpu()


def fit_linear_probe(
    features: Tensor,
    labels: Tensor,
    *,
    weight_decays: Sequence[float],
    validation_fraction: float = 0.1,
    seed: int = 0,
    device: torch.device | None = None,
) -> LinearProbe:
    """Choose the weight decay on a stratified validation split, then fit on everything.

    Weight decays are tried from the largest on; once two in a row are clearly worse than
    the best, smaller ones are not tried. Among equally good ones the largest is taken; so
    it is where no class has two samples, so that nothing can be set aside.

    Args:
        features: Tensor[n, f]. Sparse ones are fitted as they are, on the CPU: to standardise
            them would fill them.
        labels: int64[n].
        weight_decays: what to choose from.
        validation_fraction: share of each class that is set aside for the choice.
        seed: seed of the validation split.
        device: what to compute on; by default where the features are.

    Raises:
        DataError: there are no samples.
        ConfigError: there is no weight decay to choose from.
    """
    if not features.shape[0]:
        raise DataError("the linear probe needs at least one training sample, got none")
    if not weight_decays:
        raise ConfigError("weight_decays is empty; give at least one, 1e-4 for example")
    device = features.device if device is None else device
    x_NF: Tensor | SparseRows
    if is_sparse(features):
        device = torch.device("cpu")
        x_NF = SparseRows.of(features)
        mean, scale = torch.zeros(features.shape[1]), torch.ones(features.shape[1])
    else:
        x_NF = features.to(device, torch.float32, copy=True)
        mean, scale = _standardise_(x_NF)
    known, y_N = torch.unique(labels.to(device), return_inverse=True)
    decays = sorted(set(weight_decays), reverse=True)
    best, start = decays[0], None
    accuracy: dict[float, float] = {}
    _, aside = stratified_split(y_N.cpu(), validation_fraction, seed)
    if len(decays) > 1 and len(aside):
        aside = aside.to(device)
        share_N = torch.ones(len(x_NF), device=device)
        share_N[aside] = 0
        x_aside, y_aside = x_NF[aside], y_N[aside]
        fits = {}
        # From strong to weak, each fit starting where the one before ended.
        for decay in decays:
            start = fit_logistic_regression(
                x_NF, y_N, len(known), decay, sample_weight=share_N, start=start
            )
            right = _logits(x_aside, *start).argmax(1) == y_aside
            fits[decay], accuracy[decay] = start, 100.0 * float(right.sum()) / len(right)
            if _past_the_best(list(accuracy.values())):
                break
        best = max(accuracy, key=lambda decay: accuracy[decay])
        start = fits[best]
    weight, bias = fit_logistic_regression(x_NF, y_N, len(known), best, start=start)
    return LinearProbe(weight, bias, mean, scale, known, best, accuracy)


def fit_logistic_regression(
    x: Tensor | SparseRows,
    y: Tensor,
    classes: int,
    weight_decay: float,
    *,
    sample_weight: Tensor | None = None,
    start: tuple[Tensor, Tensor] | None = None,
    iterations: int = _ITERATIONS,
) -> tuple[Tensor, Tensor]:
    """Minimise ``mean cross-entropy + weight_decay / 2 * |W|^2`` by full-batch L-BFGS.

    The bias is not decayed, so that ``weight_decay`` is ``1 / (n * C)`` of scikit-learn's
    ``LogisticRegression(C=C)``.

    Args:
        x: float Tensor[n, f], of about unit scale, or sparse rows.
        y: int64[n], each in 0 .. classes - 1.
        classes: c.
        weight_decay: strength of the penalty.
        sample_weight: Tensor[n], relative weight of each sample; 0 leaves one out.
        start: weight and bias to start from; by default zero.
        iterations: of L-BFGS, at most.

    Returns:
        Weight Tensor[f, c] and bias Tensor[c].
    """
    zero = torch.zeros(()) if isinstance(x, SparseRows) else x.new_zeros(())
    if sample_weight is None:
        sample_weight = zero.new_ones(len(x))
    share_N = sample_weight / sample_weight.sum()
    if start is None:
        start = zero.new_zeros(x.shape[1], classes), zero.new_zeros(classes)
    # A row for each class: the gradient is then a product that reads the samples in their order,
    # which on a CPU takes a tenth of the time that their columns would.
    weight = start[0].t().clone(memory_format=torch.contiguous_format).requires_grad_()
    bias = start[1].clone().requires_grad_()

    def loss() -> Tensor:
        cross_N = F.cross_entropy(_logits(x, weight.t(), bias), y, reduction="none")
        return (cross_N * share_N).sum() + 0.5 * weight_decay * weight.square().sum()

    minimise(loss, [weight, bias], iterations)
    return weight.detach().t().contiguous(), bias.detach()


def _past_the_best(accuracies: list[float]) -> bool:
    """Whether the last two are clearly worse than the best: overfitting only grows from here,
    and weakly penalised fits of many features are the slow ones.
    """
    return len(accuracies) > 2 and max(accuracies[-2:]) < max(accuracies) - _CLEARLY_WORSE


def _logits(x_NF: Tensor | SparseRows, weight_FC: Tensor, bias_C: Tensor) -> Tensor:
    if isinstance(x_NF, SparseRows):
        return x_NF.times(weight_FC) + bias_C
    return F.linear(x_NF, weight_FC.t(), bias_C)


def _standardise_(x_NF: Tensor) -> tuple[Tensor, Tensor]:
    """Give every feature mean 0 and variance 1, in place; constant ones become 0."""
    mean = x_NF.mean(0)
    x_NF -= mean
    scale = x_NF.square().mean(0).sqrt()
    # Rounding leaves a constant feature with a spread that is tiny beside its mean.
    constant = scale <= 1e-6 * mean.abs().clamp_min(1e-6)
    x_NF[:, constant] = 0
    scale = torch.where(constant, torch.ones_like(scale), scale)
    x_NF /= scale
    return mean, scale
