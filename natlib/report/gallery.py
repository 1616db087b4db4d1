"""Thumbnails of samples as HTML."""

import base64
import io
import struct
from statistics import median

from markupsafe import Markup
from PIL import Image

from natlib.data import Modality, SampleSet, Thumbnail

__all__ = ["Gallery", "picture_size", "thumbnail_html"]

# Pictures up to this many pixels a side are enlarged without smoothing.
_SMALL = 48
# Spectrograms and curves need more width than photos. Photos are up to 1.8 times as wide as high.
_WIDE = 1.9
# Pictures of more bytes than this are compressed lossily.
_HEAVY, _QUALITY = 3_000, 82


class Gallery:
    """Thumbnails of samples, each created once.

    Args:
        modality: creates the thumbnails.
        samples: the samples.
    """

    def __init__(self, modality: Modality, samples: SampleSet) -> None:
        self._modality = modality
        self._samples = samples
        self._made: dict[int, Thumbnail | None] = {}

    def thumbnail(self, index: int) -> Thumbnail | None:
        """The thumbnail of the sample with this stable index; None if it has none."""
        if index not in self._made:
            self._made[index] = self._modality.thumbnail(self._samples[index])
        return self._made[index]

    def html(self, index: int) -> Markup:
        """An HTML element that shows a sample."""
        return thumbnail_html(self.thumbnail(index))

    def shape(self) -> str:
        """How the page lays out thumbnails: as ``words``, ``wide`` pictures, or others (empty)."""
        present = [thumbnail for thumbnail in self._made.values() if thumbnail]
        if present and present[0].media == "text/plain":
            return "words"
        sizes = [picture_size(thumbnail) for thumbnail in present]
        # Drawings are curves.
        ratios = [_WIDE if size is None else size[0] / size[1] for size in sizes]
        return "wide" if ratios and median(ratios) >= _WIDE else ""


def thumbnail_html(thumbnail: Thumbnail | None) -> Markup:
    """A thumbnail as an HTML element; a dash if there is none."""
    if thumbnail is None:
        return Markup('<span class="thumbnail">-</span>')
    size = picture_size(thumbnail)
    if size is None:
        return Markup(thumbnail.to_html())  # escapes text itself
    media, data = "image/png", thumbnail.data
    if len(data) > _HEAVY:
        file = io.BytesIO()
        Image.open(io.BytesIO(data)).save(file, "WEBP", quality=_QUALITY)
        media, data = "image/webp", file.getvalue()
    kind = "thumbnail small" if max(size) <= _SMALL else "thumbnail"
    address = f"data:{media};base64,{base64.b64encode(data).decode()}"
    width, height = size
    # The style sheet bounds width and height by the ratio, so that frames are as wide as pictures.
    return Markup(
        f'<img class="{kind}" alt="" width="{width}" height="{height}" '
        f'style="--ratio:{width / height:.3f}" src="{address}">'
    )


def picture_size(thumbnail: Thumbnail) -> tuple[int, int] | None:
    """Width and height of a PNG in pixels; None for anything else."""
    if thumbnail.media != "image/png":
        return None
    width, height = struct.unpack(">II", thumbnail.data[16:24])
    return width, height
