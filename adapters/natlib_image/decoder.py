"""Decode images to samples, and keep them in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from natlib.data import DecodedSamples, DecodedStore, PreloadPlan, Unreadable, decode_all
from natlib_image.decoding import DecodedImage, decode

__all__ = ["ImageDecoder", "ImageSamples"]

ImageSamples = DecodedSamples[DecodedImage]
"""One split of a source as samples."""


@dataclass(frozen=True)
class ImageDecoder:
    """Decodes images and scales their short sides to one length.

    See :class:`natlib.data.Decoder`.

    Attributes:
        short_side: pixels of the short side after decoding.
    """

    noun: ClassVar[str] = "images"
    short_side: int

    def decode(self, index: int, item: Any) -> DecodedImage:
        return DecodedImage(index, decode(item, self.short_side))

    def nbytes(self, sample: DecodedImage) -> float:
        return sample.pixels.numel()

    def store(
        self, load: Callable[[int], DecodedImage | Unreadable], plan: PreloadPlan
    ) -> DecodedStore | None:
        return decode_all(load, _pixels, 3, plan)

    def restore(self, index: int, kept: Tensor) -> DecodedImage:
        return DecodedImage(index, kept)


def _pixels(sample: DecodedImage) -> Tensor:
    return sample.pixels
