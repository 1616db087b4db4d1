"""Decode sounds to samples, and keep them in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from natlib.data import DecodedSamples, DecodedStore, PreloadPlan, Unreadable, decode_all
from natlib_audio.decoding import Clip, decode
from natlib_audio.resampling import resample

__all__ = ["ClipDecoder", "ClipSamples"]

ClipSamples = DecodedSamples[Clip]
"""One split of a source as samples."""


@dataclass(frozen=True)
class ClipDecoder:
    """Decodes clips at their own rate; in memory they are kept at the rate of inputs.

    See :class:`natlib.data.Decoder`.

    Attributes:
        rate: the rate of inputs, and of arrays that come without one.
        longest: seconds of a clip that are read.
    """

    noun: ClassVar[str] = "sounds"
    rate: int
    longest: float

    def decode(self, index: int, item: Any) -> Clip:
        return decode(item, self.longest, self.rate, index)

    def nbytes(self, sample: Clip) -> float:
        return 4 * self.rate * len(sample.wave) / sample.rate

    def store(
        self, load: Callable[[int], Clip | Unreadable], plan: PreloadPlan
    ) -> DecodedStore | None:
        return decode_all(load, self._resampled, 1, plan)

    def notes(self, samples: Sequence[Clip]) -> list[str]:
        cancelled = sum(sample.cancelled for sample in samples)
        if not cancelled:
            return []
        return [
            f"channels cancel each other out in {cancelled} of {len(samples)} sounds that were "
            "looked at; of such sounds the loudest channel is read"
        ]

    def restore(self, index: int, kept: Tensor) -> Clip:
        return Clip(index, kept, self.rate)

    def _resampled(self, clip: Clip) -> Tensor:
        return resample(clip.wave, clip.rate, self.rate)
