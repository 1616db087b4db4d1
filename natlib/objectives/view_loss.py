"""Objectives that are a function of the embeddings of the views, and of nothing else.

Shapes: v views, b samples in the batch (of all processes together), d dimensions.
"""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import ObjectiveModule, ObjectiveOutput
from natlib.objectives.embedding import embedded, expect_views, to_float32
from natlib.objectives.health import embedding_health

__all__ = ["Criterion", "ViewLoss"]

Criterion = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]
"""From embeddings Tensor[v, b, d] to a loss, a mean over samples, and its named parts."""


class ViewLoss(ObjectiveModule):
    """A head, and a loss of what it makes of the views.

    The loss is that of the embeddings of all processes together, with gradients across them.

    Args:
        kind: of the objective, for errors.
        head: from features to embeddings.
        views: v.
        criterion: the loss; a module where it keeps something from step to step.
    """

    def __init__(self, kind: str, head: nn.Module, views: int, criterion: Criterion) -> None:
        super().__init__()
        self.kind = kind
        self.head = head
        self.views = views
        self.criterion = criterion

    def embed(self, features: Tensor) -> Tensor:
        """Head outputs Tensor[b, d], float32 or better."""
        return to_float32(self.head(features))

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        z_VBD = embedded(expect_views(features, self.views, 0, self.kind), self.embed)
        # Products of embeddings in half precision would lose what the loss is about.
        with torch.autocast(z_VBD.device.type, enabled=False):
            loss, parts = self.criterion(all_gather_with_grad(z_VBD, axis=1))
        measures: dict[str, Tensor] = {}
        if health:
            measures = embedding_health(F.normalize(z_VBD.detach().mean(0), dim=-1))
        return ObjectiveOutput(loss, {name: t.detach() for name, t in parts.items()}, measures)
