"""Decode images to samples, and keep them in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, ClassVar

from torch import Tensor

from natlib.data import DecodedSamples, DecodedStore, PreloadPlan, Unreadable, decode_all, share
from natlib_image.decoding import MAX_ASPECT, DecodedImage, Decoding, decode_image

__all__ = ["ImageDecoder", "ImageSamples"]

# Pixels of 0 to 255 that differ by less than this are one colour, give or take some noise.
_FLAT = 2.0
# A pixel more or less is no crop.
_OBLONG = 1.02

ImageSamples = DecodedSamples[DecodedImage]
"""One split of a source as samples."""


@dataclass(frozen=True)
class ImageDecoder:
    """Decodes images and scales their short sides to one length.

    See :class:`natlib.data.Decoder`.

    Attributes:
        short_side: pixels of the short side after decoding.
        how: what becomes black and white, what lies under transparent pixels, and the largest size.
    """

    noun: ClassVar[str] = "images"
    short_side: int
    how: Decoding = field(default_factory=Decoding)

    def decode(self, index: int, item: Any) -> DecodedImage:
        return decode_image(item, self.short_side, self.how, index)

    def nbytes(self, sample: DecodedImage) -> float:
        return sample.pixels.numel()

    def store(
        self, load: Callable[[int], DecodedImage | Unreadable], plan: PreloadPlan
    ) -> DecodedStore | None:
        return decode_all(load, _pixels, 3, plan)

    def notes(self, samples: Sequence[DecodedImage]) -> list[str]:
        notes = _cropped(samples, self.noun)
        clipped = [sample.clipped for sample in samples if sample.clipped]
        if clipped:
            share = sum(clipped) / len(samples)
            notes.append(
                f"data.range ({self.how.described()}) clips values of {len(clipped)} of "
                f"{len(samples)} images that were looked at, {share:.2g} of all their values"
            )
        flat = [float(sample.pixels.float().std()) < _FLAT for sample in samples]
        if sum(flat) <= len(flat) / 2:
            return notes
        scale = "" if self.how.range is None else f", and data.range ({self.how.described()})"
        return [
            *notes,
            f"{sum(flat)} of {len(flat)} images are nearly constant after decoding, so there is "
            f"little to learn from; look at the files{scale}",
        ]

    def restore(self, index: int, kept: Tensor) -> DecodedImage:
        return DecodedImage(index, kept)


def _cropped(samples: Sequence[DecodedImage], noun: str) -> list[str]:
    """What is not seen of images for their shape."""
    notes = []
    oblong = [sample.aspect for sample in samples if sample.aspect > _OBLONG]
    if oblong:
        seen = 100 / median(oblong)
        notes.append(
            f"{share(len(oblong), len(samples), noun)} are not square: "
            f"embeddings and evaluations see the square in their middle ({seen:.0f} % of a typical "
            "one), views see other parts too"
        )
    if strips := sum(sample.aspect > MAX_ASPECT for sample in samples):
        notes.append(
            f"{share(strips, len(samples), noun)} are more than "
            f"{MAX_ASPECT:g} times as long as wide: only the middle of these is read; cut them "
            "into several images if the rest matters"
        )
    return notes


def _pixels(sample: DecodedImage) -> Tensor:
    return sample.pixels
