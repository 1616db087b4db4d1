"""A sample set of texts: read when asked for, or all at once into memory."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data import SourceSplit, Unreadable, check_unreadable, evenly_spaced
from natlib.data.files import ChosenNames
from natlib_text.decoding import BYTES_PER_TOKEN, DecodedText, decode
from natlib_text.ragged import Ragged
from natlib_text.tokenizer import TextTokenizer, all_threads

__all__ = ["TextSet"]

_GIB = float(1 << 30)
_PEEK = 256
_BLOCK = 1024


class TextSet:
    """Texts of one split as samples (see :class:`natlib.data.SampleSet`).

    Args:
        texts: where they come from.
        tokenizer: makes tokens of them.
        length: tokens of a text that are kept.
        cache_gib: keep texts and tokens in memory if they need no more than this.
        rows: int64[m], sorted: use only these; all by default.
    """

    def __init__(
        self,
        texts: SourceSplit,
        tokenizer: TextTokenizer,
        length: int,
        cache_gib: float,
        rows: Tensor | None = None,
    ) -> None:
        self._texts = texts
        self._tokenizer = tokenizer
        self._length = length
        self._limit = cache_gib * _GIB
        self._rows = None if rows is None else rows.numpy()
        self._stored: tuple[Ragged[np.uint8], Ragged[np.int32]] | None = None
        self.names: Sequence[str] = texts.names
        self.labels = texts.labels
        if rows is not None:
            self.names = ChosenNames(texts.names, rows.numpy())
            self.labels = None if texts.labels is None else texts.labels[rows]
        self.classes = texts.classes
        self.usable = torch.arange(len(self.names))
        self.unreadable: list[Unreadable] = []
        self.in_memory = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> DecodedText | Unreadable:
        if self._stored is None:
            return self._read(index)
        content, tokens = self._stored[0][index], self._stored[1][index]
        if not len(tokens):
            return next(bad for bad in self.unreadable if bad.index == index)
        return DecodedText(index, content.tobytes().decode(), tokens)

    def _read(self, index: int) -> DecodedText | Unreadable:
        row = index if self._rows is None else int(self._rows[index])
        limit = self._length * BYTES_PER_TOKEN
        try:
            return DecodedText(index, decode(self._texts.item(row), limit))
        except (OSError, ValueError) as error:
            return Unreadable(index, str(error))

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """See :meth:`natlib.data.SampleSet.preload`; threads do the work, not ``workers``.

        Raises:
            DataError: more than 5 % of the texts cannot be read.
        """
        if self._stored is not None:
            return
        peeked = [self._read(index) for index in evenly_spaced(len(self), _PEEK)]
        sizes = [len(text.text.encode()) for text in peeked if isinstance(text, DecodedText)]
        # A token takes four bytes, and there are hardly more of them than a quarter of the bytes.
        if 2 * (sum(sizes) / max(1, len(sizes))) * len(self) > self._limit:
            return
        contents: list[npt.NDArray[np.uint8]] = []
        tokens: list[npt.NDArray[np.int32]] = []
        unreadable: list[Unreadable] = []
        for start in range(0, len(self), _BLOCK):
            block = [self._read(index) for index in range(start, min(start + _BLOCK, len(self)))]
            found = self._tokenised(block)
            unreadable += [sample for sample in found if isinstance(sample, Unreadable)]
            for sample in found:
                # Nothing in the place of what is unreadable, so that numbers stay what they are.
                text, own = b"", np.zeros(0, dtype=np.int32)
                if isinstance(sample, DecodedText) and sample.tokens is not None:
                    text, own = sample.text.encode(), sample.tokens
                contents.append(np.frombuffer(text, dtype=np.uint8))
                tokens.append(own)
            if progress is not None:
                progress(start + len(block), len(self))
        check_unreadable(unreadable, self.names, "texts")
        self.unreadable = unreadable
        bad = torch.tensor([sample.index for sample in unreadable], dtype=torch.int64)
        self.usable = self.usable[~torch.isin(self.usable, bad)]
        self._stored = Ragged(contents, np.uint8), Ragged(tokens, np.int32)
        self.in_memory = True

    def _tokenised(
        self, block: Sequence[DecodedText | Unreadable]
    ) -> list[DecodedText | Unreadable]:
        texts = [sample.text for sample in block if isinstance(sample, DecodedText)]
        with all_threads():
            tokens = iter(self._tokenizer.encode(texts, self._length))
        found: list[DecodedText | Unreadable] = []
        for sample in block:
            if isinstance(sample, Unreadable):
                found.append(sample)
                continue
            own = next(tokens)
            if len(own):
                found.append(DecodedText(sample.index, sample.text, own))
            else:
                found.append(Unreadable(sample.index, "the tokenizer finds nothing in it"))
        return found

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self._texts.digest())
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        if self._rows is not None:
            digest.update(np.ascontiguousarray(self._rows).data)
        return digest.hexdigest()
