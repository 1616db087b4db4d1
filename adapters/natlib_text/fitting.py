"""What is learnt from the training texts before training: tokenizer and TF-IDF."""

import torch
from torch import Tensor

from natlib.data import SourceSplit, Unreadable, check_unreadable, evenly_spaced
from natlib.data.files import ChosenNames
from natlib.errors import DataError
from natlib_text import tfidf, tokenizer
from natlib_text.decoding import decode
from natlib_text.tfidf import TfIdf
from natlib_text.tokenizer import TextTokenizer, all_threads, train_tokenizer

__all__ = ["fit"]

_LOOKED_AT = 1000


def fit(
    texts: SourceSplit,
    rows: Tensor | None,
    source: str,
    *,
    given: bytes | None,
    limit: int,
    most: int,
    vocabulary: int,
    lowercase: bool,
) -> dict[str, bytes]:
    """The files that a run keeps.

    Args:
        texts: the training texts.
        rows: int64[m], the ones to train on; None for all.
        source: what they are called in messages.
        given: the tokenizer, if none is to be trained.
        limit: bytes of a text that are read.
        most: texts that are looked at, at most.
        vocabulary: how many tokens a tokenizer that is trained has.
        lowercase: whether it makes capitals small.

    Raises:
        DataError: more than 5 % of the texts cannot be read, or all are the same token.
        ConfigError: ``given`` is no tokenizer.
    """
    rows = torch.arange(len(texts)) if rows is None else rows
    chosen = rows[torch.tensor(evenly_spaced(len(rows), most))]
    read, unreadable = [], []
    for number, row in enumerate(chosen.tolist()):
        try:
            read.append(decode(texts.item(row), limit))
        except (OSError, ValueError) as error:
            unreadable.append(Unreadable(number, str(error)))
    check_unreadable(unreadable, ChosenNames(texts.names, chosen.numpy()), "texts")
    if given is None:
        given = train_tokenizer(read, vocabulary, lowercase)
    _check_tokens(TextTokenizer(given), read[:_LOOKED_AT], limit, source)
    return {tokenizer.FILE: given, tfidf.FILE: TfIdf.fit(read).to_bytes()}


def _check_tokens(tokens: TextTokenizer, texts: list[str], limit: int, source: str) -> None:
    with all_threads():
        found = {int(token) for text in tokens.encode(texts, limit) for token in text}
    if len(found) < 2:
        shown = texts[0][:20]
        raise DataError(
            f"the texts of {source} have {len(found)} distinct tokens (the first is {shown!r}), "
            "so there is nothing to tell them apart by; give other texts"
        )
