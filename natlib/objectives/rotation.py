"""Predict how an image was rotated.

Shapes: b samples in the batch, r rotated copies.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from natlib.component import register
from natlib.encoders import Head, LinearHead
from natlib.errors import ConfigError
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.embedding import embed_views, expect_views, to_float32

__all__ = ["Rotation", "RotationModule"]


@register
class Rotation(Objective):
    """Predict by how many right angles an image was rotated (RotNet; Gidaris, Singh & Komodakis,
    ICLR 2018, arXiv 1803.07728).

    For square images. The view itself is not rotated; with three copies it makes up the four
    rotations of the paper. With fewer copies, samples are weighted so that each of the four
    rotations counts the same.
    """

    kind: Literal["rotation"] = "rotation"
    views: int = Field(default=1, ge=1, le=1)
    """Augmented views of a sample in a step; the one that is rotated."""
    copies: int = Field(default=3, ge=1, le=3)
    """Rotated copies of each sample, each of which the encoder computes as well."""
    head: Head = LinearHead()
    """From features to a logit for each of the four rotations."""

    def build(self, feature_dim: int, samples: int | None = None) -> "RotationModule":
        """See :meth:`Objective.build`."""
        return RotationModule(self, feature_dim)


class RotationModule(ObjectiveModule):
    """The head of :class:`Rotation`."""

    def __init__(self, config: Rotation, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.head: nn.Module = config.head.build(feature_dim, 4)

    def embed(self, features: Tensor) -> Tensor:
        """Logits Tensor[b, 4]."""
        return to_float32(self.head(features))

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Copies of the view, in each of which a sample is rotated differently.

        Raises:
            ConfigError: the inputs are not square images.
        """
        image = views[0]
        if image.ndim != 4 or image.shape[-1] != image.shape[-2]:
            raise ConfigError(
                "the objective 'rotation' needs square images [b, c, h, h], and these inputs have "
                f"the shape {list(image.shape)}; leave it out, or make images square (data.size)"
            )
        turned = [image.rot90(turn, (-2, -1)) for turn in (1, 2, 3)]
        copies = []
        for turn_B in self._turns(len(image), image.device):
            copy = torch.empty_like(image)
            for turn in (1, 2, 3):
                rows = turn_B == turn
                copy[rows] = turned[turn - 1][rows]
            copies.append(copy)
        return copies

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        views, copies = self.config.views, self.config.copies
        given = expect_views(features, views, copies, "rotation")
        scores_RB4 = embed_views(given, self.embed)
        batch, device = scores_RB4.shape[1], scores_RB4.device
        turns_RB = self._turns(batch, device)
        turn_RB = torch.cat([torch.zeros_like(turns_RB[:1]), turns_RB])
        # Each rotation gets the same total weight, although with fewer copies there are more
        # inputs that are not rotated than of any other rotation.
        weight = torch.tensor([copies / 3.0, 1.0, 1.0, 1.0], dtype=scores_RB4.dtype, device=device)
        flat, target = scores_RB4.flatten(0, 1), turn_RB.flatten()
        with torch.autocast(device.type, enabled=False):
            per_row = F.cross_entropy(flat, target, weight, reduction="none")
        loss = per_row.sum() / (batch * copies * 4 / 3)
        measures = {}
        if health:
            right = (flat.detach().argmax(-1) == target).float()
            measures["turn_accuracy"] = (
                100.0 * (right * weight[target]).sum().float() / (batch * copies * 4 / 3)
            )
        return ObjectiveOutput(loss, {}, measures)

    def _turns(self, batch: int, device: torch.device) -> Tensor:
        """By how many right angles each copy of each sample is rotated, int64[copies, b] in 1..3.

        Each copy holds all three rotations: batch norm would remove what a single one has in
        common. No seed is needed, since positions in a batch are random.
        """
        position = torch.arange(batch, device=device)
        return torch.stack([1 + (position + copy) % 3 for copy in range(self.config.copies)])
