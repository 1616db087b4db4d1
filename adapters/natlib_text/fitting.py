"""Fit the tokenizer, the length of inputs and TF-IDF on training texts, before training."""

from contextlib import suppress

import torch
from torch import Tensor

from natlib.data import SourceSplit, Unreadable, check_unreadable, evenly_spaced
from natlib.data.files import ChosenNames
from natlib.errors import DataError
from natlib_text import tfidf, tokenizer
from natlib_text.decoding import BYTES_PER_TOKEN, decode
from natlib_text.length import LengthRule, natural_length
from natlib_text.tfidf import TfIdf
from natlib_text.tokenizer import TextTokenizer, all_threads, train_tokenizer

__all__ = ["fit"]

_CHECKED = 1000
_WEIGHED = 200
# Of all texts together that tokenizer and TF-IDF are fitted on, where texts may be read whole.
_FITTED_CHARACTERS = 2**28


def fit(
    texts: SourceSplit,
    rows: Tensor | None,
    source: str,
    *,
    given: bytes | None,
    length: int | LengthRule,
    most: int,
    vocabulary: int,
    lowercase: bool,
    encoding: str | None,
) -> tuple[int, dict[str, bytes]]:
    """Fit all three: the length, and tokenizer and TF-IDF as files by name.

    Args:
        texts: the training texts.
        rows: int64[m], the texts to train on; None for all.
        source: what to call the source in messages.
        given: a ``tokenizer.json`` to use; None trains a tokenizer.
        length: tokens of an input, or how to choose them.
        most: largest number of texts to fit on.
        vocabulary: number of tokens of a tokenizer that is trained.
        lowercase: whether a tokenizer that is trained converts texts to lower case.
        encoding: that of files that hold one text, see :func:`natlib_text.decoding.decode`.

    Raises:
        DataError: more than 5 % of the texts cannot be read, or the texts have a single token.
        ConfigError: ``given`` is not a tokenizer.
    """
    rows = torch.arange(len(texts)) if rows is None else rows
    limit = BYTES_PER_TOKEN * (length.most if isinstance(length, LengthRule) else length)
    chosen = rows[torch.tensor(evenly_spaced(len(rows), most))]
    if isinstance(length, LengthRule):
        chosen = _within_memory(texts, chosen, limit, encoding)
    read, unreadable = [], []
    for number, row in enumerate(chosen.tolist()):
        try:
            read.append(decode(texts.item(row), limit, encoding))
        except (OSError, ValueError) as error:
            unreadable.append(Unreadable(number, str(error)))
    check_unreadable(unreadable, ChosenNames(texts.names, chosen.numpy()), "texts")
    if given is None:
        given = train_tokenizer(read, vocabulary, lowercase)
    tokens = TextTokenizer(given)
    if isinstance(length, LengthRule):
        some = [read[row] for row in evenly_spaced(len(read), _CHECKED)]
        length = natural_length(tokens, some, length, sum(map(len, tokens.special_tokens())))
        # What lies beyond is no part of an input, so the baseline does not see it either.
        read = [decode(text, length * BYTES_PER_TOKEN) for text in read]
    _check_tokens(tokens, read[:_CHECKED], length, source)
    return length, {tokenizer.FILE: given, tfidf.FILE: TfIdf.fit(read).to_bytes()}


def _within_memory(texts: SourceSplit, rows: Tensor, limit: int, encoding: str | None) -> Tensor:
    """As many of the rows, from all over, as fit into memory together."""
    sizes = []
    for row in rows[torch.tensor(evenly_spaced(len(rows), _WEIGHED))].tolist():
        with suppress(OSError, ValueError):
            sizes.append(len(decode(texts.item(row), limit, encoding)))
    typical = sum(sizes) / max(1, len(sizes))
    most = max(1, int(_FITTED_CHARACTERS / max(1.0, typical)))
    return rows if most >= len(rows) else rows[torch.tensor(evenly_spaced(len(rows), most))]


def _check_tokens(tokens: TextTokenizer, texts: list[str], length: int, source: str) -> None:
    with all_threads():
        found = {int(token) for text in tokens.encode(texts, length) for token in text}
    if len(found) < 2:
        shown = texts[0][:20]
        raise DataError(
            f"the texts of {source} have {len(found)} distinct tokens (the first is {shown!r}), "
            "so there is nothing to tell them apart by; give other texts"
        )
