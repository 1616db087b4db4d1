"""From bytes to text."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BYTES_PER_TOKEN", "DecodedText", "decode"]

BYTES_PER_TOKEN = 32
"""Bytes of a text that are read for each token that is kept.

A token of English takes four or five. A line of a gigabyte would otherwise be tokenised whole,
only to be cut to a few hundred tokens.
"""


@dataclass(frozen=True)
class DecodedText:
    """A sample.

    Attributes:
        index: its number.
        text: without white space around it, cut to what can matter.
        tokens: int32[t], at least one, as the encoder reads them; None if they are not known yet.
    """

    index: int
    text: str
    tokens: npt.NDArray[np.int32] | None = None


def decode(content: bytes, limit: int) -> str:
    """The text in some bytes.

    Args:
        content: UTF-8, with or without a byte order mark.
        limit: bytes that are looked at; what lies beyond is cut off.

    Raises:
        ValueError: it is not UTF-8, or there is nothing but white space.
    """
    cut = content[:limit]
    try:
        text = cut.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may lie across the limit.
        if len(content) <= limit or error.start < limit - 3:
            raise ValueError(
                f"not UTF-8: byte 0x{cut[error.start]:02x} at {error.start:,}"
            ) from error
        text = cut[: error.start].decode("utf-8")
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise ValueError("empty: nothing but white space")
    return text
