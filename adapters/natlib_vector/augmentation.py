"""Augmentation of rows: its settings, and how a view is made."""

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Settings

__all__ = ["Augmentation", "augment_rows"]


class Augmentation(Settings):
    """How views differ. Every sample, column and view draws its own random numbers.

    A probability or strength of 0 turns an operation off.
    """

    corrupt: float = Field(default=0.3, ge=0, le=1)
    """Probability that a column gets the value of another sample of the batch (SCARF: Bahri et al.,
    ICLR 2022, arXiv 2106.15147, which uses 0.6 in one of two views)."""
    dropout: float = Field(default=0.1, ge=0, le=1)
    """Probability that the value of a column is removed."""
    noise: float = Field(default=0.1, ge=0)
    """Standard deviation of Gaussian noise on numbers, relative to that of their column."""


def augment_rows(settings: Augmentation, rows: Tensor) -> Tensor:
    """Rows float64[b, c] with some values exchanged between samples and some missing (NaN).

    This happens before categories become one-hot, so that a category changes as a whole.
    """
    # All random numbers are drawn in every call, so that turning one operation off leaves those of
    # the others unchanged.
    exchanged, dropped = torch.rand(2, *rows.shape, device=rows.device)
    donor = torch.randint(len(rows), rows.shape, device=rows.device) if len(rows) else rows.long()
    rows = torch.where(exchanged < settings.corrupt, rows.gather(0, donor), rows)
    return rows.masked_fill(dropped < settings.dropout, torch.nan)
