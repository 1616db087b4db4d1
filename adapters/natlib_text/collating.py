"""Collate texts of different lengths into a batch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from natlib.data import Batch, Unreadable
from natlib_text.decoding import DecodedText
from natlib_text.tokenizer import TextTokenizer

__all__ = ["collate", "texts_of"]


def collate(
    samples: Sequence[DecodedText | Unreadable],
    tokenizer: TextTokenizer,
    length: int,
    prompt: str = "",
) -> Batch:
    """A batch whose ``data`` holds ``tokens``, ``bytes`` and ``size``.

    ``tokens`` is int32[b, length], padded with zeros on the right. ``bytes`` is uint8[b, n], the
    texts in UTF-8, and ``size`` int64[b], their numbers of bytes; both are for TF-IDF.
    """
    unreadable = [sample for sample in samples if isinstance(sample, Unreadable)]
    good = [sample for sample in samples if isinstance(sample, DecodedText)]
    untokenised = [sample for sample in good if sample.tokens is None]
    found = dict(
        zip(
            (sample.index for sample in untokenised),
            tokenizer.encode([prompt + sample.text for sample in untokenised], length)
            if untokenised
            else [],
            strict=True,
        )
    )
    readable, rows = [], []
    for sample in good:
        tokens = found[sample.index] if sample.tokens is None else sample.tokens
        if len(tokens):
            readable.append(sample)
            rows.append(tokens)
        else:
            unreadable.append(Unreadable(sample.index, "the tokenizer finds no token in it"))
    padded = np.zeros((len(rows), length), dtype=np.int32)
    for row, tokens in zip(padded, rows, strict=True):
        row[: len(tokens)] = tokens
    encoded = [np.frombuffer(sample.text.encode(), dtype=np.uint8) for sample in readable]
    size = np.array([len(text) for text in encoded], dtype=np.int64)
    content = np.zeros((len(encoded), int(size.max(initial=1))), dtype=np.uint8)
    for line, text in zip(content, encoded, strict=True):
        line[: len(text)] = text
    return Batch(
        index=torch.tensor([sample.index for sample in readable], dtype=torch.int64),
        data={
            "tokens": torch.from_numpy(padded),
            "bytes": torch.from_numpy(content),
            "size": torch.from_numpy(size),
        },
        unreadable=unreadable,
    )


def texts_of(batch: Batch) -> list[str]:
    """The texts of a batch, which may be on any device."""
    content: Tensor = batch.data["bytes"].cpu()
    return [
        row[:size].tobytes().decode()
        for row, size in zip(content.numpy(), batch.data["size"].tolist(), strict=True)
    ]
