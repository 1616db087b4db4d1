"""Digests of texts: equal if and only if a source still has the same samples."""

import hashlib
from collections.abc import Iterable

from natlib.data import SourceSplit, evenly_spaced
from natlib_text.decoding import first_bytes

__all__ = ["digest_of", "excerpts"]

_EXCERPTS = 256
_EXCERPT_BYTES = 1024


def digest_of(parts: Iterable[bytes]) -> bytes:
    """SHA-256 of all parts and their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def excerpts(texts: SourceSplit) -> list[bytes]:
    """The beginnings of some texts from all over a source: enough to recognise a large file."""
    rows = evenly_spaced(len(texts), _EXCERPTS)
    return [first_bytes(texts.item(row), _EXCERPT_BYTES) for row in rows]
