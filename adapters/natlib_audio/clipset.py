"""A sample set of clips: decoded when asked for, or all at once into memory."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from natlib.data import (
    DecodedStore,
    SourceSplit,
    Unreadable,
    check_unreadable,
    decode_all,
    evenly_spaced,
)
from natlib.data.files import ChosenNames
from natlib.errors import DataError
from natlib_audio.decoding import Clip, clip_of
from natlib_audio.resampling import resample

__all__ = ["ClipSet"]

_GIB = float(1 << 30)
_PEEK = 32


class ClipSet:
    """Clips of one split as samples (see :class:`natlib.data.SampleSet`).

    Args:
        clips: where they come from.
        rate: the rate of inputs; clips in memory have it, others keep their own.
        longest: seconds of a clip that are read.
        cache_gib: keep decoded clips in memory if they need no more than this.
        rows: int64[m], sorted: use only these; all by default.
    """

    def __init__(
        self,
        clips: SourceSplit,
        rate: int,
        longest: float,
        cache_gib: float,
        rows: Tensor | None = None,
    ) -> None:
        self._clips = clips
        self._rate = rate
        self._longest = longest
        self._limit = cache_gib * _GIB
        self._rows = None if rows is None else rows.numpy()
        self._store: DecodedStore | None = None
        self.names: Sequence[str] = clips.names
        self.labels = clips.labels
        if rows is not None:
            self.names = ChosenNames(clips.names, rows.numpy())
            self.labels = None if clips.labels is None else clips.labels[rows]
        self.classes = clips.classes
        self.usable = torch.arange(len(self.names))
        self.unreadable: list[Unreadable] = []
        self.in_memory = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Clip | Unreadable:
        if self._store is None:
            return self._decode(index)
        wave = self._store[index]
        if wave.numel() == 0:
            return next(bad for bad in self.unreadable if bad.index == index)
        return Clip(index, wave, self._rate)

    def _decode(self, index: int) -> Clip | Unreadable:
        row = index if self._rows is None else int(self._rows[index])
        try:
            return clip_of(index, self._clips.item(row), self._longest, self._rate)
        except MemoryError:
            raise
        # libsndfile has errors of its own; a file may also be gone, or not ours to read.
        except Exception as error:
            kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
            return Unreadable(index, f"{kind}{error}")

    def _resampled(self, index: int) -> Tensor | Unreadable:
        clip = self._decode(index)
        if isinstance(clip, Unreadable):
            return clip
        return resample(clip.wave, clip.rate, self._rate)

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """See :meth:`natlib.data.SampleSet.preload`.

        Raises:
            DataError: more than 5 % of the clips cannot be decoded.
        """
        if self._store is not None:
            return
        peeked = [self._decode(index) for index in evenly_spaced(len(self), _PEEK)]
        seconds = [len(c.wave) / c.rate for c in peeked if isinstance(c, Clip)]
        clip_bytes = 4 * self._rate * sum(seconds) / len(seconds) if seconds else 0.0
        if clip_bytes * len(self) > self._limit:
            return
        store = decode_all(
            self._resampled,
            len(self),
            rank=1,
            sample_bytes=clip_bytes,
            limit=self._limit,
            workers=workers,
            progress=progress,
        )
        if store is None:
            return
        self.unreadable = store.unreadable
        check_unreadable(self.unreadable, self.names, "sounds")
        self.usable = store.readable
        self._store = store
        self.in_memory = True

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self._clips.digest())
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        if self._rows is not None:
            digest.update(np.ascontiguousarray(self._rows).data)
        return digest.hexdigest()
