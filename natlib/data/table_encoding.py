"""Finds the encoding of a file of text, and notes what was guessed."""

import codecs
import io
import re
from pathlib import Path

import numpy as np

from natlib.errors import DataError
from natlib.runtime.reading import open_file
from natlib.runtime.unpacking import open_gzip

__all__ = ["opened", "text_encoding"]

_BLOCK = 16 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Texts in Western European languages have fewer letters beyond ASCII than this.
_WESTERN = 0.3


def opened(path: Path) -> io.BufferedReader:
    """The bytes of a file, unpacked."""
    return open_gzip(path) if path.name.lower().endswith(".gz") else open_file(path)


def text_encoding(path: Path, notes: list[str]) -> str:
    """The encoding of a file of text.

    Args:
        path: the file.
        notes: what was guessed is added here.

    Raises:
        DataError: it cannot be told, or the file holds no text.
    """
    with opened(path) as file:
        first = file.read(1 << 16)
    for mark, encoding in _BOMS:
        if first.startswith(mark):
            return encoding
    if b"\0" in first:
        return _wide(path, first, notes)
    beyond, damaged, letters, cp1252 = 0, 0, 0, True
    with opened(path) as file:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        while block := file.read(_BLOCK):
            text = decoder.decode(block)
            if block.isascii():
                continue
            array = np.frombuffer(block, np.uint8)
            beyond += int((array >= 128).sum())
            letters += int(((array | 32) - 97 < 26).sum())
            damaged += len(re.findall("[\udc80-\udcff]", text))
            cp1252 = cp1252 and not np.isin(array, [0x81, 0x8D, 0x8F, 0x90, 0x9D]).any()
        damaged += len(decoder.decode(b"", final=True))
    if not damaged:
        return "utf-8"
    if beyond - damaged > damaged:
        notes.append(f"{damaged:,} bytes are not UTF-8; what holds them cannot be decoded")
        return "utf-8"
    if cp1252 and beyond < _WESTERN * (beyond + letters):
        notes.append("not UTF-8, so read as cp1252 (data.table.encoding)")
        return "cp1252"
    raise DataError(
        f"{path} is not UTF-8 and looks like no Western European text; set its encoding "
        "(data.table.encoding: cp1251, shift_jis, gb18030, ...), or convert it to UTF-8"
    )


def _wide(path: Path, first: bytes, notes: list[str]) -> str:
    """UTF-16 without a mark: in most texts, every other byte is 0."""
    even, odd = first[0::2].count(0), first[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) < 0.3 * len(first) / 2 or min(even, odd) > 0.1 * max(even, odd):
        raise DataError(
            f"{path} holds zero bytes, so it is no text; expected CSV, TSV or JSON lines"
        )
    notes.append(f"read as {encoding} (data.table.encoding)")
    return encoding
