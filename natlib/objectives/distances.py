"""How far samples are from their other views, and from their targets.

Shapes: v views, b samples in the batch, m slots per sample, d target dimensions.
"""

import torch
from torch import Tensor

__all__ = ["mean_cosine", "teacher_distance", "view_distance"]


def view_distance(z_VBD: Tensor) -> Tensor:
    """Mean squared distance over the pairs of views of each sample: Tensor[b]."""
    views = len(z_VBD)
    if views == 1:
        return z_VBD.new_zeros(z_VBD.shape[1])
    # sum_{v<w} |z_v - z_w|^2 = V sum_v |z_v - mean|^2, and there are V (V - 1) / 2 pairs.
    spread = (z_VBD - z_VBD.mean(0)).square().sum(-1).sum(0)
    return spread * (2.0 / (views - 1))


def teacher_distance(z_VBD: Tensor, taught_VBD: Tensor) -> Tensor:
    """Mean squared distance of each view to what a teacher made of the others: Tensor[b]."""
    between_VVB = (z_VBD.unsqueeze(1) - taught_VBD.unsqueeze(0)).square().sum(-1)
    others = ~torch.eye(len(z_VBD), dtype=torch.bool, device=z_VBD.device)
    return between_VVB[others].mean(0)


def mean_cosine(anchor_BD: Tensor, targets_MBD: Tensor) -> Tensor:
    """Mean cosine of samples Tensor[b, d] and their targets Tensor[m, b, d]."""
    return torch.cosine_similarity(anchor_BD.expand_as(targets_MBD), targets_MBD, dim=-1).mean()
