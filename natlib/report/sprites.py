"""Sprite sheets of thumbnails, small enough for one page."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from natlib.data import Thumbnail
from natlib.report.gallery import picture_size

__all__ = ["sprites"]

# Numbers of samples up to which tiles have this many pixels a side, to limit the size of the page.
_TILES = ((1_500, 72), (4_000, 48), (10_000, 32))
_SMALLEST = 24
_SHEET = 2048
_QUALITY = 72
# Maximum total size of drawings and texts, which are stored unchanged.
_BYTES = 6_000_000


def sprites(thumbnails: Sequence[Thumbnail | None]) -> dict[str, Any]:
    """Thumbnails as plain data for the script of the page.

    Args:
        thumbnails: the thumbnails of the samples, in order.

    Returns:
        ``kind`` and its values: ``tiles`` with ``sheets`` (data URLs), ``width`` and ``height`` of
        a tile, ``across`` and ``of_sheet`` (tiles in a row and in a sheet) and ``small`` (whether
        tiles are enlarged without smoothing); or ``words`` or ``drawings`` with ``items``, None if
        a sample has none; or ``none``.
    """
    present = [thumbnail for thumbnail in thumbnails if thumbnail is not None]
    media = {thumbnail.media for thumbnail in present}
    if media == {"image/png"}:
        return _tiles(thumbnails, present)
    if len(media) == 1:
        kind = "words" if media == {"text/plain"} else "drawings"
        return {"kind": kind, "items": _within_limit(thumbnails)}
    return {"kind": "none"}


def _within_limit(thumbnails: Sequence[Thumbnail | None]) -> list[str | None]:
    items: list[str | None] = []
    size = 0
    for thumbnail in thumbnails:
        size += len(thumbnail.data) if thumbnail else 0
        shown = thumbnail is not None and size <= _BYTES
        items.append(thumbnail.data.decode("utf-8", "replace") if shown and thumbnail else None)
    return items


def _tiles(thumbnails: Sequence[Thumbnail | None], present: Sequence[Thumbnail]) -> dict[str, Any]:
    sizes = np.array([picture_size(thumbnail) for thumbnail in present])
    side = next((tile for most, tile in _TILES if len(thumbnails) <= most), _SMALLEST)
    # The median shape, scaled to the area of a square of that side but not enlarged.
    typical = np.median(sizes, axis=0)
    scale = min(1.0, side / float(np.sqrt(typical.prod())))
    width, height = (max(1, round(float(length) * scale)) for length in typical)
    across = max(1, _SHEET // width)
    of_sheet = across * max(1, _SHEET // height)
    sheets = [
        _sheet(thumbnails[start : start + of_sheet], width, height, across)
        for start in range(0, len(thumbnails), of_sheet)
    ]
    return {
        "kind": "tiles",
        "sheets": sheets,
        "width": width,
        "height": height,
        "across": across,
        "of_sheet": of_sheet,
        "small": scale == 1.0,
    }


def _sheet(thumbnails: Sequence[Thumbnail | None], width: int, height: int, across: int) -> str:
    rows = -(-len(thumbnails) // across)
    # Transparent beside pictures of another shape than the tile.
    sheet = Image.new("RGBA", (width * min(across, len(thumbnails)), height * rows))
    for number, thumbnail in enumerate(thumbnails):
        if thumbnail is None:
            continue
        picture = Image.open(io.BytesIO(thumbnail.data)).convert("RGB")
        picture.thumbnail((width, height))
        x = number % across * width + (width - picture.width) // 2
        y = number // across * height + (height - picture.height) // 2
        sheet.paste(picture, (x, y))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
