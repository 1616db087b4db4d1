"""Fit the tokenizer and TF-IDF on training texts, before training."""

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

_CHECKED = 1000


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
    encoding: str | None,
) -> dict[str, bytes]:
    """Fit both, and return them as files by name.

    Args:
        texts: the training texts.
        rows: int64[m], the texts to train on; None for all.
        source: what to call the source in messages.
        given: a ``tokenizer.json`` to use; None trains a tokenizer.
        limit: bytes of a text that are read.
        most: largest number of texts to fit on.
        vocabulary: number of tokens of a tokenizer that is trained.
        lowercase: whether a tokenizer that is trained converts texts to lower case.
        encoding: that of files that hold one text, see :func:`natlib_text.decoding.decode`.

    Raises:
        DataError: more than 5 % of the texts cannot be read, or the texts have a single token.
        ConfigError: ``given`` is not a tokenizer.
    """
    rows = torch.arange(len(texts)) if rows is None else rows
    chosen = rows[torch.tensor(evenly_spaced(len(rows), most))]
    read, unreadable = [], []
    for number, row in enumerate(chosen.tolist()):
        try:
            read.append(decode(texts.item(row), limit, encoding))
        except (OSError, ValueError) as error:
            unreadable.append(Unreadable(number, str(error)))
    check_unreadable(unreadable, ChosenNames(texts.names, chosen.numpy()), "texts")
    if given is None:
        given = train_tokenizer(read, vocabulary, lowercase)
    _check_tokens(TextTokenizer(given), read[:_CHECKED], limit, source)
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
