"""Seeing the whole in a part.

Shapes: b samples in the batch, d dimensions of what is predicted.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from natlib.component import register
from natlib.encoders import Head, MlpHead
from natlib.errors import ConfigError
from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.embedding import embedded, expect_views, to_float32
from natlib.targets import Gaussian

__all__ = ["Masked", "MaskedModule", "corrupted", "standardised"]


@register
class Masked(Objective):
    """Predict a sample from a corrupted one, for any modality.

    A random part of the first view is replaced by values that other samples of the batch have in
    the same place, so that every value for itself is a likely one (SCARF; Bahri et al., ICLR 2022,
    arXiv 2106.15147). Numbers are replaced one by one in vectors, and in blocks where inputs
    have extents (images, spectrograms); whole numbers (tokens) one by one. What is predicted is
    the sample that is not corrupted, as a fixed random projection of its values or as the features
    that the encoder gives it.
    """

    kind: Literal["masked"] = "masked"
    views: int = Field(default=1, ge=1)
    """Augmented views of a sample in a step; the first one is corrupted."""
    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of the input that is replaced, on average."""
    blocks: int = Field(default=8, ge=2)
    """Blocks along each extent of an input [channels, ...]."""
    predict: Literal["input", "features"] = "input"
    """``input``: random projections of the input, which never change. ``features``: those of the
    encoder for the first view, without gradient; such a target can collapse, so combine it with
    an objective that cannot."""
    dim: int = Field(default=128, ge=1)
    """How many projections are predicted (``input`` only)."""
    head: Head = MlpHead()
    """From features to predictions."""
    seed: int = Field(default=0, ge=0)
    """Seed of the projections."""

    def build(self, feature_dim: int, samples: int | None = None) -> "MaskedModule":
        """See :meth:`Objective.build`."""
        return MaskedModule(self, feature_dim)


class MaskedModule(ObjectiveModule):
    """The trainable side of :class:`Masked`."""

    def __init__(self, config: Masked, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        out = config.dim if config.predict == "input" else feature_dim
        self.head: nn.Module = config.head.build(feature_dim, out)
        # Neither is state: the one is drawn again, the other lives for a step.
        self._projection: Tensor | None = None
        self._target: Tensor | None = None

    def embed(self, features: Tensor) -> Tensor:
        """Predictions Tensor[b, d], float32 or better."""
        return to_float32(self.head(features))

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """The first view, corrupted."""
        if self.config.predict == "input":
            with torch.no_grad(), torch.autocast(views[0].device.type, enabled=False):
                self._target = self._projected(views[0])
        return [corrupted(views[0], self.config.share, self.config.blocks)]

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        given = expect_views(features, self.config.views, 1, "masked")
        (predicted_BD,) = embedded(given[-1:], self.embed)
        target, self._target = self._target, None
        if self.config.predict == "features":
            target = to_float32(given[0].detach())
        if target is None:
            raise ConfigError(
                "the objective 'masked' predicts what it has masked: call extra_inputs(views) in "
                "every step, before the features are given"
            )
        target_BD = standardised(target.to(predicted_BD))
        loss = (predicted_BD - target_BD).square().mean()
        measures = {}
        if health:
            there = target_BD.square().mean().clamp_min(1e-30)
            measures["explained"] = 100.0 * (1.0 - loss.detach() / there).float()
        return ObjectiveOutput(loss, {}, measures)

    def _projected(self, clean: Tensor) -> Tensor:
        """What the samples are to be recognised by: Tensor[b, d]."""
        config = self.config
        if not clean.is_floating_point():
            # A bag of tokens, each of which has a random vector.
            values, place = clean.flatten(1).unique(return_inverse=True)
            rows = Gaussian(dim=config.dim, seed=config.seed).rows(values.long().abs())
            bag = torch.zeros(len(clean), len(values), device=clean.device)
            bag.scatter_add_(1, place, torch.ones_like(place, dtype=bag.dtype))
            return bag @ rows
        flat = to_float32(clean.flatten(1))
        if self._projection is None or len(self._projection) != flat.shape[1]:
            own = torch.Generator().manual_seed(config.seed)
            self._projection = torch.randn(flat.shape[1], config.dim, generator=own)
        self._projection = self._projection.to(flat)
        return flat @ self._projection


def corrupted(inputs: Tensor, share: float, blocks: int) -> Tensor:
    """Inputs with a random part of each replaced by what other samples have there.

    Draws from torch's global generator of the inputs' device.

    Args:
        inputs: Tensor[b, ...], b >= 2.
        share: of what is replaced, on average.
        blocks: along each extent of floating-point inputs [b, channels, ...].
    """
    batch, device = len(inputs), inputs.device
    extents = inputs.shape[2:] if inputs.is_floating_point() else ()
    if extents:
        # One draw for each block, for all channels alike.
        grid = [batch, 1, *(min(blocks, extent) for extent in extents)]
    else:
        grid = list(inputs.shape)
    hidden = torch.rand(grid, device=device) < share
    place = torch.arange(batch, device=device).view(-1, *[1] * (len(grid) - 1))
    donor = (place + torch.randint(1, batch, grid, device=device)) % batch
    if extents:
        for axis, extent in enumerate(extents, start=2):
            block = torch.arange(extent, device=device) * grid[axis] // extent
            hidden, donor = hidden.index_select(axis, block), donor.index_select(axis, block)
    donor = donor.expand_as(inputs)
    return torch.where(hidden, inputs.gather(0, donor), inputs)


@torch.no_grad()
def standardised(target: Tensor) -> Tensor:
    """Each dimension of Tensor[b, d] with mean 0 and variance 1 over the samples of all processes.

    Dimensions that do not vary become 0.
    """
    everyone = all_gather_with_grad(target)
    spread, mean = torch.std_mean(everyone, 0, correction=0)
    least = 1e-6 * everyone.abs().amax(0)
    return torch.where(spread > least, (target - mean) / spread.clamp_min(1e-30), 0.0)
