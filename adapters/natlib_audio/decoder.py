"""Decode sounds to samples, and keep them in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from natlib.data import DecodedSamples, DecodedStore, PreloadPlan, Unreadable, decode_all, share
from natlib_audio.decoding import Clip, decode
from natlib_audio.resampling import resample

__all__ = ["ClipDecoder", "ClipSamples"]

# A length in seconds has few digits.
_ROUNDING = 1.01

ClipSamples = DecodedSamples[Clip]
"""One split of a source as samples."""


@dataclass(frozen=True)
class ClipDecoder:
    """Decodes clips at their own rate; in memory they are kept at the rate of inputs.

    See :class:`natlib.data.Decoder`.

    Attributes:
        rate: the rate of inputs, and of arrays that come without one.
        longest: seconds of a clip that are read.
        seconds: length of an input.
    """

    noun: ClassVar[str] = "sounds"
    rate: int
    longest: float
    seconds: float

    def decode(self, index: int, item: Any) -> Clip:
        return decode(item, self.longest, self.rate, index)

    def nbytes(self, sample: Clip) -> float:
        return 4 * self.rate * len(sample.wave) / sample.rate

    def store(
        self, load: Callable[[int], Clip | Unreadable], plan: PreloadPlan
    ) -> DecodedStore | None:
        return decode_all(load, self._resampled, 1, plan)

    def notes(self, samples: Sequence[Clip]) -> list[str]:
        notes = []
        if cancelled := sum(sample.cancelled for sample in samples):
            notes.append(
                f"channels cancel each other out in {cancelled} of {len(samples)} sounds that were "
                "looked at; of such sounds the loudest channel is read"
            )
        lengths = [sample.seconds for sample in samples]
        if longer := sum(length > self.seconds * _ROUNDING for length in lengths):
            whole = float(np.quantile(lengths, 0.9))
            notes.append(
                f"{share(longer, len(samples), self.noun)} are longer than an "
                f"input, {self.seconds:g} s: views are random parts of them, and embeddings and "
                "evaluations see the middle (data.seconds; nine of ten last at most "
                f"{whole:.3g} s)"
            )
        if beyond := sum(length > self.longest * _ROUNDING for length in lengths):
            notes.append(
                f"{share(beyond, len(samples), self.noun)} are longer than "
                f"{self.longest:g} s: both ends are never read (data.longest)"
            )
        return notes

    def restore(self, index: int, kept: Tensor) -> Clip:
        return Clip(index, kept, self.rate)

    def _resampled(self, clip: Clip) -> Tensor:
        return resample(clip.wave, clip.rate, self.rate)
