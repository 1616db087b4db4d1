"""Predict a sample from a corrupted copy of it.

Shapes: b samples in the batch, d dimensions of what is predicted.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from natlib.component import Seed, Settings, register
from natlib.encoders import Head, MlpHead
from natlib.errors import ConfigError
from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.embedding import embed_views, expect_views, to_float32
from natlib.targets import Gaussian

__all__ = ["Masked", "MaskedModule", "Projections", "corrupt", "standardise"]


class Projections(Settings):
    """Random projections of an input: a target that never changes."""

    dim: int = Field(default=128, ge=1)
    """How many there are."""
    seed: Seed = 0
    """Seed of their directions."""


@register
class Masked(Objective):
    """Predict a sample from a corrupted copy of it, for any modality.

    A random part of the view is replaced by what other samples of the batch have in the same
    place, so that each value by itself is plausible (SCARF; Bahri et al., ICLR 2022,
    arXiv 2106.15147). Vectors and tokens are replaced value by value; images and spectrograms,
    which have extents, block by block. The head predicts the uncorrupted view: random projections
    of it, or its features.
    """

    kind: Literal["masked"] = "masked"
    views: int = Field(default=1, ge=1, le=1)
    """Augmented views of a sample in a step; the one that is corrupted."""
    share: float = Field(default=0.5, gt=0, lt=1)
    """Expected share of the input that is replaced."""
    blocks: int = Field(default=8, ge=2)
    """Blocks along each extent of an input [channels, ...]; vectors and tokens have none."""
    projections: Projections | None = Projections()
    """Random projections of the view, which are predicted. With null, the encoder's features of
    the view are, without gradient: such a target can collapse, so combine it with an objective
    that cannot."""
    head: Head = MlpHead()
    """From features to predictions."""

    def build(self, feature_dim: int, samples: int | None = None) -> "MaskedModule":
        """See :meth:`Objective.build`."""
        return MaskedModule(self, feature_dim)


class MaskedModule(ObjectiveModule):
    """The head of :class:`Masked`, and what it predicts in this step."""

    def __init__(self, config: Masked, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        out = feature_dim if config.projections is None else config.projections.dim
        self.head: nn.Module = config.head.build(feature_dim, out)
        # Neither is state: the directions are drawn again, the target lives for one step.
        self._directions: Tensor | None = None
        self._target: Tensor | None = None

    def embed(self, features: Tensor) -> Tensor:
        """Predictions Tensor[b, d], float32 or better."""
        return to_float32(self.head(features))

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """The view, corrupted."""
        if self.config.projections is not None:
            with torch.no_grad(), torch.autocast(views[0].device.type, enabled=False):
                self._target = self._project(views[0], self.config.projections)
        default = type(self.config).model_fields["blocks"].default
        if self.config.blocks != default and not _extents(views[0]):
            raise ConfigError(
                f"blocks is {self.config.blocks} in the objective 'masked', and nothing reads it: "
                f"inputs of the shape {list(views[0].shape[1:])} have no extents to divide; leave "
                "blocks out"
            )
        return [corrupt(views[0], self.config.share, self.config.blocks)]

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
        (predicted_BD,) = embed_views(given[-1:], self.embed)
        target, self._target = self._target, None
        if self.config.projections is None:
            target = to_float32(given[0].detach())
        if target is None:
            raise ConfigError(
                "the objective 'masked' has seen no view to predict: call extra_inputs(views) in "
                "every step, before the features are given"
            )
        target_BD = standardise(target.to(predicted_BD))
        loss = (predicted_BD - target_BD).square().mean()
        measures = {}
        if health:
            variance = target_BD.square().mean().clamp_min(1e-30)
            measures["explained"] = 100.0 * (1.0 - loss.detach() / variance).float()
        return ObjectiveOutput(loss, {}, measures)

    def _project(self, clean: Tensor, projections: Projections) -> Tensor:
        """Random projections Tensor[b, d] of the uncorrupted samples."""
        dim, seed = projections.dim, projections.seed
        if not clean.is_floating_point():
            # A bag of tokens, each of which has a random vector.
            values, place = clean.flatten(1).unique(return_inverse=True)
            rows = Gaussian(dim=dim, seed=seed).rows(values.long().abs())
            bag = torch.zeros(len(clean), len(values), device=clean.device)
            bag.scatter_add_(1, place, torch.ones_like(place, dtype=bag.dtype))
            return bag @ rows
        flat = to_float32(clean.flatten(1))
        if self._directions is None or len(self._directions) != flat.shape[1]:
            own = torch.Generator().manual_seed(seed)
            self._directions = torch.randn(flat.shape[1], dim, generator=own)
        self._directions = self._directions.to(flat)
        return flat @ self._directions


def corrupt(inputs: Tensor, share: float, blocks: int) -> Tensor:
    """Replace a random part of each input by what other samples have there.

    Draws from torch's global generator of the inputs' device.

    Args:
        inputs: Tensor[b, ...], b >= 2.
        share: expected share that is replaced.
        blocks: blocks along each extent of floating-point inputs [b, channels, ...].
    """
    batch, device = len(inputs), inputs.device
    extents = _extents(inputs)
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


def _extents(inputs: Tensor) -> tuple[int, ...]:
    """What blocks divide; vectors and tokens have none."""
    return tuple(inputs.shape[2:]) if inputs.is_floating_point() else ()


@torch.no_grad()
def standardise(target: Tensor) -> Tensor:
    """Scale each dimension of Tensor[b, d] to mean 0 and variance 1 over all processes' samples.

    Dimensions that do not vary become 0.
    """
    gathered = all_gather_with_grad(target)
    deviation, mean = torch.std_mean(gathered, 0, correction=0)
    least = 1e-6 * gathered.abs().amax(0)
    return torch.where(deviation > least, (target - mean) / deviation.clamp_min(1e-30), 0.0)
