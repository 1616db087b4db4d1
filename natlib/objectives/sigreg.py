"""Regularise embeddings towards a Gaussian along every direction.

Shapes: v views, b samples, d dimensions, s slices, t knots.
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from natlib.component import Seed, register
from natlib.encoders import Head, MlpHead
from natlib.objectives.base import Objective
from natlib.objectives.view_loss import ViewLoss

__all__ = ["SIGReg", "SlicedGaussianity", "epps_pulley"]


@register
class SIGReg(Objective):
    """Sketched isotropic Gaussian regularisation (LeJEPA; Balestriero & LeCun, 2025,
    arXiv 2511.08544).

    Views of a sample agree with their mean, and the embeddings of each view follow a standard
    normal distribution: the test of Epps and Pulley (1983) along random directions measures how
    far they are from it. The loss is ``(1 - gaussianity)`` times the first and ``gaussianity``
    times the second.
    """

    kind: Literal["sigreg"] = "sigreg"
    dim: int = Field(default=64, ge=1)
    """Dimensions of the embedding."""
    head: Head = MlpHead()
    """From features to embeddings."""
    gaussianity: float = Field(default=0.05, gt=0, le=1)
    """Weight of the test, out of 1. With 1 no term compares views, and a single view suffices."""
    slices: int = Field(default=256, ge=1)
    """Random directions of the test, drawn anew in every step."""
    knots: int = Field(default=17, ge=2)
    """Frequencies at which characteristic functions are compared."""
    reach: float = Field(default=3.0, gt=0)
    """The highest of these frequencies."""
    seed: Seed = 0
    """Seed of the directions."""

    @model_validator(mode="after")
    def _check_views(self) -> Self:
        if self.views < 2 and self.gaussianity < 1:
            raise ValueError(
                "gaussianity below 1 compares views, so it needs views >= 2; set views to 2 or "
                "gaussianity to 1"
            )
        return self

    def build(self, feature_dim: int, samples: int | None = None) -> ViewLoss:
        """See :meth:`Objective.build`."""
        head = self.head.build(feature_dim, self.dim)
        return ViewLoss(self.kind, head, self.views, SlicedGaussianity(self))


class SlicedGaussianity(nn.Module):
    """The loss of :class:`SIGReg`; counts the steps, each of which draws its own directions.

    Args:
        config: its settings.
    """

    step: Tensor

    def __init__(self, config: SIGReg) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, z_VBD: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and parts of embeddings Tensor[v, b, d]."""
        config = self.config
        # Drawn on the host, so that they are the same in all processes and on all devices.
        own = torch.Generator().manual_seed((config.seed * 1_000_003 + int(self.step)) % 2**63)
        slices_DS = torch.randn(config.dim, config.slices, generator=own).to(z_VBD)
        slices_DS = slices_DS / slices_DS.norm(dim=0)
        if self.training:
            self.step += 1
        test = epps_pulley(z_VBD @ slices_DS, config.knots, config.reach).mean()
        apart = (z_VBD - z_VBD.mean(0)).square().mean()
        loss = (1.0 - config.gaussianity) * apart + config.gaussianity * test
        return loss, {"invariance": apart, "gaussianity": test}


def epps_pulley(x: Tensor, knots: int = 17, reach: float = 3.0) -> Tensor:
    """How far one-dimensional samples are from a standard normal distribution.

    b times the integral of ``|f(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2)`` over t from -reach to reach
    by the trapezoidal rule, with f the empirical characteristic function: about 1 for a large
    sample of the normal distribution, and growing with b for any other.

    Args:
        x: Tensor[..., b, s], b samples along each of s directions.
        knots: frequencies in [0, reach]; the integrand is even.
        reach: the highest frequency.

    Returns:
        Tensor[..., s].
    """
    t = torch.linspace(0.0, reach, knots, dtype=x.dtype, device=x.device)
    normal_T = torch.exp(-0.5 * t.square())
    width_T = torch.full_like(t, 2.0 * reach / (knots - 1))
    width_T[0] /= 2
    width_T[-1] /= 2
    angle = x.unsqueeze(-1) * t
    # The mean over samples: axis -3, before directions and knots.
    real, imaginary = angle.cos().mean(-3), angle.sin().mean(-3)
    error = (real - normal_T).square() + imaginary.square()
    return x.shape[-2] * (error @ (normal_T * width_T))
