"""Splits of a source, and the training samples that are chosen from one."""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["SPLIT_NAMES", "Split", "chosen_rows", "named_split"]

Split = Literal["train", "val", "test"]

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""What folders and the values of a table may call a split, in upper or lower case.

Of two folders for one split, the one that is named first here counts.
"""


def named_split(name: str) -> Split | None:
    """The split that a name stands for; None if it is no name of a split."""
    return SPLIT_NAMES.get(name.strip().lower())


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
