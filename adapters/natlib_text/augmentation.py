"""Augmentation of texts: its settings, and how a view is made."""

from typing import Annotated, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Condition, Settings
from natlib.conditions import positive
from natlib_text.encoders.tokens import trimmed

__all__ = ["Augmentation", "one_view"]

Probability = Annotated[float, Field(ge=0, le=1)]


class Augmentation(Settings):
    """How views differ: each is a span of the text, with tokens deleted and words out of order.

    A probability, a share or a distance of 0 turns an operation off, and ``crop_scale: [1, 1]``
    the crop. With everything off, views differ only by the dropout of the encoder (two passes
    of the same text, as in SimCSE: Gao et al., EMNLP 2021, arXiv 2104.08821). Every text and
    every view draws its own random numbers; at least one token remains.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("delete_share",), on=("delete",), holds=positive, remedy="set {delete} above 0"),
    )

    crop_scale: tuple[float, float] = (0.3, 1.0)
    """Smallest and largest share of a text's tokens in the span that a view is cut from."""
    delete: Probability = 0.5
    """Probability of deleting a span from inside the view."""
    delete_share: Probability = 0.3
    """Longest deleted span, as a share of the view's tokens."""
    drop: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Probability of deleting a token, independent for each token."""
    shuffle: int = Field(default=3, ge=0)
    """Words are shuffled locally; none moves by more than this many places (Lample et al., ICLR
    2018, arXiv 1711.00043). The tokens of a word stay together."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop_scale is [{low:g}, {high:g}]; expected 0 < low <= high <= 1")
        return self


def one_view(settings: Augmentation, tokens: Tensor, word_starts: Tensor) -> Tensor:
    """One augmented view of each text.

    Args:
        settings: which operations, and how strong.
        tokens: int64[b, t], padded with zeros on the right; each row has a token.
        word_starts: bool[v + 1], the tokens that begin a word.

    Returns:
        int64[b, t], padded with zeros on the right.
    """
    device, length = tokens.device, tokens.shape[1]
    # All random numbers are drawn in every call, so that turning one operation off leaves those of
    # the others unchanged; and for the whole length, whatever other texts are in the batch.
    draw_5B = torch.rand(5, len(tokens), device=device)
    token_draw_BT = torch.rand(tokens.shape, device=device)
    word_draw_BW = torch.rand(len(tokens), length + 1, device=device)

    tokens = trimmed(tokens)
    longest = tokens.shape[1]
    token_draw_BT = token_draw_BT[:, :longest]
    count_B = (tokens != 0).sum(1)
    place_T = torch.arange(longest, device=device)

    low, high = settings.crop_scale
    span_B = ((low + (high - low) * draw_5B[0]) * count_B).ceil().clamp_(min=1)
    span_B = torch.minimum(span_B, count_B).long()
    start_B = _random_start(draw_5B[1], count_B - span_B)
    keep_BT = _within(place_T, start_B, span_B)

    gap_B = (settings.delete_share * draw_5B[2] * span_B).long()
    gap_B = torch.where(draw_5B[3] < settings.delete, gap_B, 0)
    gap_start_B = start_B + _random_start(draw_5B[4], span_B - gap_B)
    keep_BT &= ~_within(place_T, gap_start_B, gap_B)

    keep_BT &= token_draw_BT >= settings.drop
    # If no token is left, keep the first one of the span.
    keep_BT |= (place_T == start_B[:, None]) & ~keep_BT.any(1, keepdim=True)

    # Sort keys of the tokens; deleted tokens are sorted to the end.
    order_BT = place_T.expand(tokens.shape).float()
    if settings.shuffle:
        word_BT = word_starts[tokens].cumsum(1)
        order_BT = word_BT + (settings.shuffle + 1) * word_draw_BW.gather(1, word_BT)
    order_BT = order_BT.masked_fill(~keep_BT, torch.inf)
    taken_BT = order_BT.argsort(dim=1, stable=True)
    left_B = keep_BT.sum(1)
    view_BT = tokens.gather(1, taken_BT).masked_fill_(place_T >= left_B[:, None], 0)
    return F.pad(view_BT, (0, length - longest))


def _random_start(draw_B: Tensor, room_B: Tensor) -> Tensor:
    """A uniformly random integer from 0 to ``room``, both included."""
    return torch.minimum((draw_B * (room_B + 1)).long(), room_B)


def _within(place_T: Tensor, start_B: Tensor, size_B: Tensor) -> Tensor:
    return (place_T >= start_B[:, None]) & (place_T < (start_B + size_B)[:, None])
