"""Projection onto the unit sphere."""

import torch
from torch import Tensor

__all__ = ["normalise_"]


def normalise_(rows: Tensor) -> Tensor:
    """Divide vectors Tensor[..., d] by their norms, in place."""
    norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows.div_(norm.clamp_min_(1e-12))
