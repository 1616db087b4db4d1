"""Decode stored texts to strings."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.data.table_encoding import marked_encoding
from natlib.errors import DataError

__all__ = ["BYTES_PER_TOKEN", "DecodedText", "FileSpan", "decode", "extent_of", "first_bytes"]

BYTES_PER_TOKEN = 32
"""Bytes of a text that are read for each token of an input.

An English token has four or five bytes. Without a limit, a line of a gigabyte would be tokenised
completely, and then cut to a few hundred tokens.
"""


@dataclass(frozen=True)
class DecodedText:
    """One sample.

    Attributes:
        index: its stable index.
        text: the text without surrounding white space, cut to what can become tokens of an input.
        tokens: int32[t], at least one, as the encoder reads them; None if not tokenised yet.
    """

    index: int
    text: str
    tokens: npt.NDArray[np.int32] | None = None


@dataclass(frozen=True)
class FileSpan:
    """A text that is a part of a file, a line say.

    Attributes:
        path: the file.
        start: where the text begins, in bytes.
        end: where it ends.
        encoding: that of the file.
    """

    path: Path
    start: int
    end: int
    encoding: str = "utf-8"


def first_bytes(item: Any, limit: int) -> bytes:
    """The first bytes of a stored text, one more than ``limit`` if there are as many.

    Args:
        item: a string, bytes in memory, a :class:`pathlib.Path` to a file that holds one text, or
            a :class:`FileSpan`.
        limit: bytes that are needed; one more shows that the text is longer.

    Raises:
        OSError: the file cannot be read.
        DataError: the item has another form.
    """
    if isinstance(item, str):
        return item.encode()[: limit + 1]
    if isinstance(item, bytes | memoryview):
        return bytes(item[: limit + 1])
    if isinstance(item, Path):
        with item.open("rb") as file:
            return file.read(limit + 1)
    if isinstance(item, FileSpan):
        # Opened each time: nothing is shared between processes, and a file that is cut while
        # it is mapped would end the process.
        with item.path.open("rb") as file:
            file.seek(item.start)
            return file.read(min(item.end - item.start, limit + 1))
    raise DataError(f"got {type(item).__name__}, expected a str or a Path")


def extent_of(item: Any) -> int:
    """Roughly how long a stored text is, in bytes or characters; 0 if that cannot be told."""
    if isinstance(item, str | bytes | memoryview):
        return len(item)
    if isinstance(item, FileSpan):
        return item.end - item.start
    try:
        return item.stat().st_size if isinstance(item, Path) else 0
    except OSError:  # decoding it will say why
        return 0


def decode(item: Any, limit: int, encoding: str | None = None) -> str:
    """The text of a stored item, without white space around it.

    Args:
        item: in a form that :func:`first_bytes` takes; what is no file is UTF-8.
        limit: bytes that are read; what lies beyond is cut off.
        encoding: that of files that hold one text; by default what a byte order mark says, or
            else UTF-8.

    Raises:
        OSError: the file cannot be read.
        DataError: it cannot be decoded, holds nothing but white space, or is of another form.
    """
    content = first_bytes(item, limit)
    if isinstance(item, FileSpan):
        encoding = item.encoding
    elif not isinstance(item, Path):
        encoding = "utf-8"
    if encoding is None:
        encoding = marked_encoding(content) or "utf-8"
    # The limit may cut a character in two, which the decoder then keeps to itself.
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        text = decoder.decode(content[:limit], final=len(content) <= limit)
    except UnicodeDecodeError as error:
        what = "UTF-8" if codecs.lookup(encoding).name == "utf-8" else encoding
        # A decoder in steps may have taken bytes of an earlier step; here there is one.
        byte = f"byte 0x{content[error.start]:02x} at {error.start:,}"
        hint = "; set data.encoding" if isinstance(item, Path) else ""
        raise DataError(f"not {what}: {byte}{hint}") from error
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise DataError("empty: nothing but white space")
    return text
