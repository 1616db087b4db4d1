"""What samples look like, on a page."""

import base64
import io
import struct

from markupsafe import Markup
from PIL import Image

from natlib.data import Modality, SampleSet, Thumbnail

__all__ = ["Gallery", "picture_size", "shown"]

# Pictures up to this side are enlarged, and then their pixels should be seen.
_SMALL = 48
# Photographs and spectrograms of more bytes than this are compressed with loss.
_HEAVY, _QUALITY = 3_000, 82


class Gallery:
    """Thumbnails of samples, each made once.

    Args:
        modality: what makes them.
        samples: of what.
    """

    def __init__(self, modality: Modality, samples: SampleSet) -> None:
        self._modality = modality
        self._samples = samples
        self._made: dict[int, Thumbnail | None] = {}

    def thumbnail(self, index: int) -> Thumbnail | None:
        """The thumbnail of the sample with a stable index; None where there is none."""
        if index not in self._made:
            self._made[index] = self._modality.thumbnail(self._samples[index])
        return self._made[index]

    def html(self, index: int) -> Markup:
        """An element that shows a sample."""
        return shown(self.thumbnail(index))

    def words(self) -> bool:
        """Whether samples are shown as text."""
        first = next((thumbnail for thumbnail in self._made.values() if thumbnail), None)
        return first is not None and first.media == "text/plain"


def shown(thumbnail: Thumbnail | None) -> Markup:
    """A thumbnail as an element of a page; a dash where there is none."""
    if thumbnail is None:
        return Markup('<span class="thumbnail">-</span>')
    size = picture_size(thumbnail)
    if size is None:
        return Markup(thumbnail.to_html())  # escapes words by itself
    media, data = "image/png", thumbnail.data
    if len(data) > _HEAVY:
        file = io.BytesIO()
        Image.open(io.BytesIO(data)).save(file, "WEBP", quality=_QUALITY)
        media, data = "image/webp", file.getvalue()
    kind = "thumbnail small" if max(size) <= _SMALL else "thumbnail"
    address = f"data:{media};base64,{base64.b64encode(data).decode()}"
    return Markup(f'<img class="{kind}" alt="" src="{address}">')


def picture_size(thumbnail: Thumbnail) -> tuple[int, int] | None:
    """Width and height of a PNG in pixels; None for anything else."""
    if thumbnail.media != "image/png":
        return None
    width, height = struct.unpack(">II", thumbnail.data[16:24])
    return width, height
