"""Variance, invariance and covariance of embeddings.

Shapes: v views, b samples, d dimensions.
"""

from functools import partial
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import register
from natlib.encoders import Head, MlpHead
from natlib.objectives.base import Objective
from natlib.objectives.view_loss import ViewLoss

__all__ = ["VICReg", "vicreg_loss"]


@register
class VICReg(Objective):
    """Variance-invariance-covariance regularisation (Bardes, Ponce & LeCun, ICLR 2022,
    arXiv 2105.04906).

    Views of a sample agree, each dimension of the embedding has a standard deviation of at least 1,
    and no two dimensions correlate. With ``invariance=0`` it only keeps embeddings spread, and a
    single view suffices.
    """

    kind: Literal["vicreg"] = "vicreg"
    dim: int = Field(default=128, ge=2)
    """Dimensions of the embedding."""
    head: Head = MlpHead()
    """From features to embeddings."""
    invariance: float = Field(default=25.0, ge=0)
    """Weight of the mean squared difference between views."""
    variance: float = Field(default=25.0, ge=0)
    """Weight of the hinge on standard deviations below 1."""
    covariance: float = Field(default=1.0, ge=0)
    """Weight of the squared covariances."""

    @model_validator(mode="after")
    def _check_views(self) -> Self:
        if self.views < 2 and self.invariance > 0:
            raise ValueError(
                "invariance compares views, so it needs views >= 2; set views to 2 or invariance "
                "to 0"
            )
        if not self.invariance + self.variance + self.covariance:
            raise ValueError("all weights are 0, so nothing is minimised; raise one of them")
        return self

    def build(self, feature_dim: int, samples: int | None = None) -> ViewLoss:
        """See :meth:`Objective.build`."""
        criterion = partial(
            vicreg_loss,
            invariance=self.invariance,
            variance=self.variance,
            covariance=self.covariance,
        )
        head = self.head.build(feature_dim, self.dim)
        return ViewLoss(self.kind, head, self.views, criterion)


def vicreg_loss(
    z_VBD: Tensor, *, invariance: float, variance: float, covariance: float, eps: float = 1e-4
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss, and its three terms without their weights.

    For two views these are the terms of the paper's code: the mean squared difference of the
    views, the mean over views of the hinge on standard deviations, and the sum over views of the
    squared covariances over d. For more views, the difference is the mean over pairs, and the
    covariances are scaled to those of two views.

    Args:
        z_VBD: Tensor[v, b, d], b >= 2.
        invariance: weight of the difference.
        variance: weight of the hinge.
        covariance: weight of the squared covariances.
        eps: added to variances before the square root.
    """
    views, batch, dim = z_VBD.shape
    # sum_{v<w} |z_v - z_w|^2 = V sum_v |z_v - mean|^2, and there are V (V - 1) / 2 pairs.
    apart = (z_VBD - z_VBD.mean(0)).square().sum(0).mean() * (2.0 / max(views - 1, 1))
    centred = z_VBD - z_VBD.mean(1, keepdim=True)
    covariance_VDD = centred.transpose(1, 2) @ centred / (batch - 1)
    variances_VD = covariance_VDD.diagonal(dim1=1, dim2=2)
    hinge = torch.relu(1.0 - (variances_VD + eps).sqrt()).mean()
    off_diagonal = covariance_VDD.square().sum() - variances_VD.square().sum()
    correlated = 2.0 * off_diagonal / (dim * views)
    parts = {"invariance": apart, "variance": hinge, "covariance": correlated}
    return invariance * apart + variance * hinge + covariance * correlated, parts
