"""Pooling of a transformer's outputs over the tokens of a text.

The modes are those of ``sentence-transformers`` (Reimers & Gurevych, EMNLP 2019, arXiv 1908.10084).
"""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Pooling", "pooled"]

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
"""How the outputs for all tokens become one vector."""


def pooled(values: Tensor, mask: Tensor, modes: tuple[Pooling, ...]) -> Tensor:
    """One vector for each text: those of all modes, side by side.

    Args:
        values: Tensor[b, t, f], the outputs for each token.
        mask: bool[b, t], true for the tokens of a text, which come first; at least one each.
        modes: m of them.

    Returns:
        Tensor[b, m * f].
    """
    weight = mask.to(values.dtype)[:, :, None]
    return torch.cat([_pooled(values, mask, weight, mode) for mode in modes], dim=1)


def _pooled(values: Tensor, mask: Tensor, weight: Tensor, mode: Pooling) -> Tensor:
    if mode == "cls":
        return values[:, 0]
    if mode == "max":
        return values.masked_fill(~mask[:, :, None], -torch.inf).amax(1)
    if mode == "lasttoken":
        last = mask.sum(1) - 1
        return values[torch.arange(len(values), device=values.device), last]
    if mode == "weightedmean":
        place = torch.arange(1, values.shape[1] + 1, device=values.device, dtype=values.dtype)
        weight = weight * place[:, None]
    total, count = (values * weight).sum(1), weight.sum(1)
    return total / (count.sqrt() if mode == "mean_sqrt_len_tokens" else count)
