"""Splits of a source, and the training samples that are chosen from one."""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Split", "chosen_rows"]

Split = Literal["train", "val", "test"]


def chosen_rows(count: int, max_samples: int | None, seed: int) -> Tensor | None:
    """A random subset of samples 0 .. count-1: int64[m], sorted; None where all are meant.

    Args:
        count: how many there are.
        max_samples: how many to choose; None for all.
        seed: which ones.
    """
    if max_samples is None or max_samples >= count:
        return None
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator)[:max_samples].sort().values
