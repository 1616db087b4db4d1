"""The module of objectives whose loss depends on the embeddings of the views alone.

Shapes: v views, b samples in the batch (of all processes together), d dimensions.
"""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import ObjectiveModule, ObjectiveOutput
from natlib.objectives.embedding import embed_views, expect_views, to_float32
from natlib.objectives.health import embedding_health

__all__ = ["Criterion", "ViewLoss"]

Criterion = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]
"""From embeddings Tensor[v, b, d] to a loss, a mean over samples, and its terms by name."""


class ViewLoss(ObjectiveModule):
    """A head, and a loss of its embeddings of the views.

    The loss is computed from the embeddings of all processes, with gradients across them.

    Args:
        kind: kind of the objective, for errors.
        head: from features to embeddings.
        views: v.
        criterion: the loss; a module if it has state.
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
        z_VBD = embed_views(expect_views(features, self.views, 0, self.kind), self.embed)
        # Products of embeddings would lose too much precision in half precision.
        with torch.autocast(z_VBD.device.type, enabled=False):
            loss, parts = self.criterion(all_gather_with_grad(z_VBD, axis=1))
        measures: dict[str, Tensor] = {}
        if health:
            measures = embedding_health(F.normalize(z_VBD.detach().mean(0), dim=-1))
        return ObjectiveOutput(loss, {name: t.detach() for name, t in parts.items()}, measures)
