"""How many tokens of a text are read, where nobody says."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from natlib_text.tokenizer import TextTokenizer, all_threads

__all__ = ["LengthRule", "natural_length"]

# Texts that are embedded later may be longer than those of training, and padding costs little.
_SHORTEST = 128
# Lengths are rounded up to multiples of this, which hardware likes and people can remember.
_STEP = 8


class LengthRule(NamedTuple):
    """How an encoder's inputs are cut to a length.

    Attributes:
        most: tokens at most, since the cost of a step grows with them.
        share: of the texts that are to be read whole, if that does not exceed ``most``.
    """

    most: int = 512
    share: float = 0.95


def natural_length(
    tokenizer: TextTokenizer, texts: Sequence[str], rule: LengthRule, beside: int = 0
) -> int:
    """Tokens of an input, for texts like these.

    Args:
        tokenizer: splits texts.
        texts: some of the texts, at least one.
        rule: what the encoder allows.
        beside: special tokens around a text, which ``rule.most`` has to hold too.
    """
    most = max(1, rule.most - beside)
    with all_threads():
        lengths = [len(tokens) for tokens in tokenizer.encode(texts, most)]
    wanted = int(np.quantile(lengths, rule.share, method="higher"))
    return min(most, max(_SHORTEST, -(-wanted // _STEP) * _STEP))
