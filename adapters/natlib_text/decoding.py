"""Decode stored texts to strings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.errors import DataError

__all__ = ["BYTES_PER_TOKEN", "DecodedText", "FileSpan", "decode", "first_bytes"]

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
    """

    path: Path
    start: int
    end: int


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


def decode(item: Any, limit: int) -> str:
    """The text of a stored item, without white space around it.

    Args:
        item: UTF-8, with or without a byte order mark, in a form that :func:`first_bytes` takes.
        limit: bytes that are read; what lies beyond is cut off.

    Raises:
        OSError: the file cannot be read.
        DataError: it is not UTF-8, holds nothing but white space, or is of another form.
    """
    content = first_bytes(item, limit)
    cut = content[:limit]
    try:
        text = cut.decode("utf-8")
    except UnicodeDecodeError as error:
        # The limit may cut a character in two.
        if len(content) <= limit or error.start < limit - 3:
            raise DataError(
                f"not UTF-8: byte 0x{cut[error.start]:02x} at {error.start:,}"
            ) from error
        text = cut[: error.start].decode("utf-8")
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise DataError("empty: nothing but white space")
    return text
