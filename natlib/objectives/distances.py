"""Distances between the views of a sample, to its target, and to the targets of other samples.

Shapes: v views, b samples in the batch, k in the batches of all processes, m slots per sample,
d target dimensions.
"""

import math

import torch
from torch import Tensor

from natlib.objectives.all_gather import all_gather_with_grad
from natlib.runtime.processes import process_rank

__all__ = ["log_density_of_others", "mean_cosine", "teacher_distance", "view_distance"]

# More samples than any batch holds.
_SAMPLES_OF_A_PROCESS = 2**32


def view_distance(z_VBD: Tensor) -> Tensor:
    """Mean squared distance over the pairs of views of each sample: Tensor[b]."""
    views = len(z_VBD)
    if views == 1:
        return z_VBD.new_zeros(z_VBD.shape[1])
    # sum_{v<w} |z_v - z_w|^2 = V sum_v |z_v - mean|^2, and there are V (V - 1) / 2 pairs.
    spread = (z_VBD - z_VBD.mean(0)).square().sum(-1).sum(0)
    return spread * (2.0 / (views - 1))


def teacher_distance(z_VBD: Tensor, teacher_VBD: Tensor) -> Tensor:
    """Mean squared distance of each view to the teacher's embeddings of the others: Tensor[b]."""
    between_VVB = (z_VBD.unsqueeze(1) - teacher_VBD.unsqueeze(0)).square().sum(-1)
    others = ~torch.eye(len(z_VBD), dtype=torch.bool, device=z_VBD.device)
    return between_VVB[others].mean(0)


def log_density_of_others(z_VBD: Tensor, centres_BD: Tensor, temperature: float) -> Tensor:
    """Log density of the other samples' targets around each sample: Tensor[b], a mean over views.

    ``log mean_{j != i} exp(-|z_i - centre_j|^2 / (2 temperature))``, over the samples of all
    processes; a collective call. It is 0 if there is no other sample.
    """
    centres_KD = all_gather_with_grad(centres_BD)
    if len(centres_KD) == 1:
        return z_VBD.new_zeros(1)
    first = process_rank() * _SAMPLES_OF_A_PROCESS
    number_B = first + torch.arange(len(centres_BD), device=z_VBD.device)
    itself_BK = number_B[:, None] == all_gather_with_grad(number_B)
    # Half precision would lose the differences between distances.
    with torch.autocast(z_VBD.device.type, enabled=False):
        products_VBK = z_VBD @ centres_KD.T
    squares_VBK = z_VBD.square().sum(-1, keepdim=True) + centres_KD.square().sum(-1)
    closeness_VBK = (products_VBK - squares_VBK / 2) / temperature
    log_sum_VB = closeness_VBK.masked_fill(itself_BK, -torch.inf).logsumexp(-1)
    return log_sum_VB.mean(0) - math.log(len(centres_KD) - 1)


def mean_cosine(z_BD: Tensor, targets_MBD: Tensor) -> Tensor:
    """Mean cosine of samples Tensor[b, d] and their targets Tensor[m, b, d]."""
    return torch.cosine_similarity(z_BD.expand_as(targets_MBD), targets_MBD, dim=-1).mean()
