"""Cross-entropy of finding the other views of a sample among all views of the batch.

Shapes: v views, b samples, d dimensions, r = v b rows.
"""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.encoders import Head, MlpHead
from natlib.objectives.base import Objective
from natlib.objectives.view_loss import ViewLoss

__all__ = ["NTXent", "nt_xent_loss"]


@register
class NTXent(Objective):
    """Normalised, temperature-scaled cross-entropy (SimCLR; Chen et al., ICML 2020,
    arXiv 2002.05709).

    Each view is to find the other views of its sample among all views of the batch, over all
    processes.
    """

    kind: Literal["nt_xent"] = "nt_xent"
    views: int = Field(default=2, ge=2, le=1024)
    """Augmented views of a sample in a step."""
    dim: int = Field(default=128, ge=2)
    """Dimensions of the embedding."""
    head: Head = MlpHead()
    """From features to embeddings."""
    temperature: float = Field(default=0.2, gt=0)
    """Cosines are divided by it: the lower it is, the more the nearest negatives count."""

    def build(self, feature_dim: int, samples: int | None = None) -> ViewLoss:
        """See :meth:`Objective.build`."""
        criterion = partial(nt_xent_loss, temperature=self.temperature)
        head = self.head.build(feature_dim, self.dim)
        return ViewLoss(self.kind, head, self.views, criterion)


def nt_xent_loss(z_VBD: Tensor, *, temperature: float) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss, a mean over all rows and the other views of their samples; it has one term.

    Args:
        z_VBD: Tensor[v, b, d], v >= 2.
        temperature: of the softmax.
    """
    views, batch = z_VBD.shape[:2]
    z_RD = F.normalize(z_VBD, dim=-1).flatten(0, 1)
    logits_RR = z_RD @ z_RD.T / temperature
    itself = torch.eye(len(z_RD), dtype=torch.bool, device=z_RD.device)
    log_share_RR = logits_RR.masked_fill(itself, -torch.inf).log_softmax(-1)
    sample_R = torch.arange(batch, device=z_RD.device).repeat(views)
    other_view_RR = (sample_R[:, None] == sample_R) & ~itself
    return -log_share_RR[other_view_RR].mean(), {}
