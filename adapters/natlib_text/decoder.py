"""Decode texts to samples, and keep them in memory with their tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data import DecodedSamples, PreloadPlan, Unreadable, share
from natlib_text.decoding import BYTES_PER_TOKEN, DecodedText, decode, extent_of
from natlib_text.ragged import Ragged
from natlib_text.tokenizer import TextTokenizer, all_threads

__all__ = ["TextDecoder", "TextSamples", "TextStore"]

_BLOCK = 1024

Kept = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]


class TextStore:
    """Texts and their tokens in memory (see :class:`natlib.data.SampleStore`).

    Args:
        kept: UTF-8 and tokens of every sample; both empty for one that is unreadable.
        unreadable: the samples that could not be decoded.
    """

    def __init__(self, kept: Sequence[Kept], unreadable: list[Unreadable]) -> None:
        self.unreadable = unreadable
        self._texts = Ragged((text for text, _ in kept), np.uint8)
        self._tokens = Ragged((tokens for _, tokens in kept), np.int32)

    @property
    def readable(self) -> Tensor:
        """int64[u], the samples that could be decoded."""
        bad = torch.tensor([sample.index for sample in self.unreadable], dtype=torch.int64)
        every = torch.arange(len(self._texts))
        return every[~torch.isin(every, bad)]

    def __getitem__(self, index: int) -> Kept:
        return self._texts[index], self._tokens[index]


TextSamples = DecodedSamples[DecodedText]
"""One split of a source as samples."""


@dataclass(frozen=True)
class TextDecoder:
    """Decodes texts; in memory they are kept with their tokens.

    See :class:`natlib.data.Decoder`.

    Attributes:
        tokenizer: splits texts into tokens.
        length: tokens of a text that are read.
        encoding: that of files that hold one text, see :func:`natlib_text.decoding.decode`.
        prompt: put before each text when it is split.
    """

    noun: ClassVar[str] = "texts"
    tokenizer: TextTokenizer
    length: int
    encoding: str | None = None
    prompt: str = ""

    def decode(self, index: int, item: Any) -> DecodedText:
        return DecodedText(index, decode(item, self.length * BYTES_PER_TOKEN, self.encoding))

    def extent(self, item: Any) -> int:
        """Roughly how long a stored text is, in bytes or characters; nothing is decoded."""
        return extent_of(item)

    def nbytes(self, sample: DecodedText) -> float:
        # A token takes four bytes, and a text has hardly more than one token for four bytes.
        return 2 * len(sample.text.encode())

    def store(
        self, load: Callable[[int], DecodedText | Unreadable], plan: PreloadPlan
    ) -> TextStore | None:
        """See :meth:`natlib.data.Decoder.store`; uses threads of the tokenizer, no workers."""
        kept: list[Kept] = []
        unreadable: list[Unreadable] = []
        used = 0
        for start in range(0, plan.total, _BLOCK):
            block = range(start, min(start + _BLOCK, plan.total))
            for sample in self._tokenised([load(index) for index in block]):
                if isinstance(sample, Unreadable):
                    unreadable.append(sample)
                kept.append(_kept(sample))
                used += sum(part.nbytes for part in kept[-1])
            if used > plan.limit:
                return None
            if plan.progress is not None:
                plan.progress(len(kept), plan.total)
        return TextStore(kept, unreadable)

    def notes(self, samples: Sequence[DecodedText]) -> list[str]:
        with all_threads():
            texts = [self.prompt + sample.text for sample in samples]
            tokens = self.tokenizer.encode(texts, self.length + 1)
        longer = sum(len(each) > self.length for each in tokens)
        if not longer:
            return []
        return [
            f"{share(longer, len(samples), self.noun)} have more than {self.length} "
            "tokens, and the rest of them is not read (data.length)"
        ]

    def restore(self, index: int, kept: Kept) -> DecodedText:
        text, tokens = kept
        return DecodedText(index, text.tobytes().decode(), tokens)

    def _tokenised(
        self, block: Sequence[DecodedText | Unreadable]
    ) -> list[DecodedText | Unreadable]:
        good = [sample for sample in block if isinstance(sample, DecodedText)]
        texts = [self.prompt + sample.text for sample in good]
        with all_threads():
            tokens = iter(self.tokenizer.encode(texts, self.length))
        found: list[DecodedText | Unreadable] = []
        for sample in block:
            if isinstance(sample, Unreadable):
                found.append(sample)
                continue
            own = next(tokens)
            if len(own):
                found.append(DecodedText(sample.index, sample.text, own))
            else:
                found.append(Unreadable(sample.index, "the tokenizer finds no token in it"))
        return found


def _kept(sample: DecodedText | Unreadable) -> Kept:
    if isinstance(sample, Unreadable) or sample.tokens is None:
        return np.zeros(0, np.uint8), np.zeros(0, np.int32)
    return np.frombuffer(sample.text.encode(), dtype=np.uint8), sample.tokens
