"""The loss of Noise As Targets: its terms and their weights.

Shapes: v views, b samples in the batch, d target dimensions.
"""

from typing import Literal

from pydantic import Field
from torch import Tensor

from natlib.component import Settings
from natlib.objectives.distances import log_density_of_others, teacher_distance, view_distance

__all__ = ["NATLoss", "Repulsion"]


class Repulsion(Settings):
    """Embeddings are pushed away from the centroids of the other samples of the batch."""

    weight: float = Field(default=1.0, gt=0)
    """Weight of the logarithm of the density of these centroids."""
    temperature: float = Field(default=0.2, gt=0)
    """How far they reach: the variance of the kernels of that density, in squared units of the
    targets' space."""


class NATLoss(Settings):
    """Weights of the terms of :class:`natlib.objectives.NAT`'s loss."""

    target_weight: float | None = Field(default=None, gt=0)
    """Weight of the squared distance to the targets. By default 3; with repulsion that of a
    softmax, ``weight / (2 temperature)``, so that attraction and repulsion balance."""
    alignment: float | None = Field(default=None, ge=0)
    """Weight of the squared distance between the views of a sample. By default 1; a single view
    has no other to align with."""
    repulsion: Repulsion | None = None
    """Push embeddings away from the targets of other samples; null leaves it out."""
    reduction: Literal["mean", "sum"] = "mean"
    """Whether the loss is averaged or summed over the batch. The code of the paper sums: its
    learning rate of 0.01 is 2.56 on a mean over 256 samples."""

    @property
    def alignment_weight(self) -> float:
        """The weight of the squared distance between views, set or by default."""
        return 1.0 if self.alignment is None else self.alignment

    @property
    def attraction(self) -> float:
        """The weight of the squared distance to the targets, set or by default."""
        if self.target_weight is not None:
            return self.target_weight
        if self.repulsion is None:
            return 3.0
        return self.repulsion.weight / (2 * self.repulsion.temperature)

    def of_samples(
        self, z_VBD: Tensor, aim_BD: Tensor, teacher_VBD: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The formula of :class:`natlib.objectives.NAT`; a collective call with repulsion.

        Args:
            z_VBD: embeddings of the views.
            aim_BD: the point that each sample is drawn to.
            teacher_VBD: a teacher's embeddings of the views, if there is one.

        Returns:
            The loss of each sample, Tensor[b], and the terms without their weights: means over
            samples, detached.
        """
        terms = {"target": (z_VBD - aim_BD).square().sum(-1).mean(0)}
        if teacher_VBD is not None:
            terms["alignment"] = teacher_distance(z_VBD, teacher_VBD)
        else:
            terms["alignment"] = view_distance(z_VBD)
        losses_B = self.attraction * terms["target"] + self.alignment_weight * terms["alignment"]
        if self.repulsion is not None:
            density_B = log_density_of_others(z_VBD, aim_BD, self.repulsion.temperature)
            terms["repulsion"] = density_B
            losses_B = losses_B + self.repulsion.weight * density_B
        return losses_B, {name: term.mean().detach() for name, term in terms.items()}
