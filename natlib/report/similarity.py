"""Similarity of representations: linear CKA.

Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019,
arXiv 1905.00414. HSIC is estimated without bias (Song et al., "Feature Selection via Dependence
Maximization", JMLR 2012): with more features than samples, the usual estimator finds everything
similar.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from natlib.data import Batch, Modality
from natlib.encoders import Encoder
from natlib.evaluation.modes import evaluating

__all__ = ["gram", "hsic", "linear_cka", "similarities", "stage_grams"]

# Limit of the activations of all samples at all stages, which are in memory together.
_BYTES = 400 * 2**20
_FEWEST, _MOST = 48, 512


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Similarity of two representations of the same samples.

    1 for representations that differ by a rotation, a scale and a shift; about 0, and as often
    negative as positive, for unrelated ones.

    Args:
        x: Tensor[u, f], u at least 4.
        y: Tensor[u, g].
    """
    return float(similarities({"x": gram(x)}, {"y": gram(y)})[0, 0])


def gram(x: Tensor) -> Tensor:
    """Inner products float64[u, u] of samples Tensor[u, ...], minus their mean."""
    rows = x.flatten(1)
    # In blocks of features: converting all to float64 at once would double the memory.
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for part in rows.split(65_536, dim=1):
        centred = part.double()
        centred = centred - centred.mean(0)
        total += centred @ centred.T
    return total


def hsic(k: Tensor, other: Tensor) -> Tensor:
    """Unbiased estimate of the Hilbert-Schmidt independence criterion of two Gram matrices.

    Args:
        k: float64[u, u], u at least 4.
        other: float64[u, u].
    """
    count = len(k)
    a, b = k - k.diag().diag(), other - other.diag().diag()
    total = (a * b).sum() + a.sum() * b.sum() / ((count - 1) * (count - 2))
    total = total - 2 * (a.sum(0) @ b.sum(0)) / (count - 2)
    return total / (count * (count - 3))


def similarities(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
    """CKA of each representation with each: float64[r, s].

    Args:
        one: r Gram matrices.
        other: s Gram matrices of the same samples.

    Returns:
        NaN where all samples have the same representation.
    """
    found = torch.full((len(one), len(other)), torch.nan, dtype=torch.float64)
    for row, k in enumerate(one.values()):
        for column, m in enumerate(other.values()):
            scale = (hsic(k, k) * hsic(m, m)).clamp_min(0).sqrt()
            if scale > 0:
                found[row, column] = hsic(k, m) / scale
    return found


def stage_grams(encoder: Encoder, modality: Modality, batch: Batch) -> dict[str, Tensor]:
    """Gram matrices of an encoder's stages, by name.

    Args:
        encoder: the encoder.
        modality: prepares its inputs.
        batch: the samples; the last ones are left out if stages are too large.
    """
    with evaluating(encoder):
        inputs = modality.plain(batch)
        # One batch: the longest text determines the padding, and so the shape of all stages.
        values = sum(stage.numel() for stage in encoder.stages(inputs[:1]).values())
        count = max(_FEWEST, min(_MOST, _BYTES // (4 * values)))
        return {name: gram(stage) for name, stage in encoder.stages(inputs[:count]).items()}
