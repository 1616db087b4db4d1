"""A limit on the pixels of an image, in place of Pillow's, which is one for the whole process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from natlib.errors import DataError

__all__ = ["MAX_PIXELS", "check_pixels", "without_pillows_limit"]

MAX_PIXELS = 180_000_000
"""Images with more pixels are not decoded by default: a file of a few bytes may claim to be huge.

About the number above which Pillow raises an error of its own."""

_lock = threading.Lock()
_inside = 0
_pillows: int | None = None


def check_pixels(size: tuple[int, int], most: int) -> None:
    """See that an image is not too large.

    Raises:
        DataError: it has more pixels than that.
    """
    width, height = size
    if width * height > most:
        raise DataError(
            f"it has {width:,} x {height:,} pixels, more than data.max_pixels ({most:,}); raise "
            "that if such images are meant to be there"
        )


@contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Pillow warns in two lines and raises at a limit of its own; neither inside this."""
    global _inside, _pillows
    with _lock:
        if not _inside:
            _pillows, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                Image.MAX_IMAGE_PIXELS = _pillows
