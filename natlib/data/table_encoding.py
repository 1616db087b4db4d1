"""Finds the encoding of a file of text, and notes what was guessed."""

import codecs
import io
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from natlib.errors import DataError
from natlib.runtime.reading import open_file
from natlib.runtime.unpacking import open_gzip

__all__ = ["check_encoding", "marked_encoding", "opened", "text_encoding"]

_BLOCK = 16 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings beside cp1252 that files without a mark have had, by how common they are.
_ENCODINGS = (
    "cp1251", "gb18030", "shift_jis", "euc_kr", "big5", "euc_jp", "cp1250", "koi8_r", "cp1253",
    "cp1254", "cp1255", "cp1256", "cp874",
)  # fmt: skip
_SHOWN = 5
# Texts in Western European languages have fewer letters beyond ASCII than this.
_WESTERN = 0.3


def opened(path: Path) -> io.BufferedReader:
    """The bytes of a file, unpacked."""
    return open_gzip(path) if path.name.lower().endswith(".gz") else open_file(path)


def check_encoding(name: str) -> None:
    """Check that Python knows an encoding of text.

    Raises:
        ValueError: it does not.
    """
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError(
            f"encoding '{name}' is unknown; expected one that Python knows, such as utf-8, cp1252 "
            "or utf-16"
        ) from error


def marked_encoding(first: bytes) -> str | None:
    """The encoding that the byte order mark at the beginning of a file says, if it has one."""
    return next((encoding for mark, encoding in _BOMS if first.startswith(mark)), None)


def text_encoding(path: Path, notes: list[str], setting: str = "data.table.encoding") -> str:
    """The encoding of a file of text.

    Args:
        path: the file.
        notes: what was guessed is added here.
        setting: what a user sets to another one, for messages.

    Raises:
        DataError: it cannot be told, or the file holds no text.
    """
    with opened(path) as file:
        first = file.read(1 << 16)
    marked = marked_encoding(first)
    if marked is not None:
        return marked
    if b"\0" in first:
        return _wide(path, first, notes, setting)
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
        notes.append(f"not UTF-8, so read as cp1252 ({setting})")
        return "cp1252"
    possible = [f"{name} reads {words!r}" for name, words in _possible(first)]
    raise DataError(
        f"{path} is not UTF-8 and looks like no Western European text; set its encoding "
        f"({setting}: {', '.join(possible) or 'cp1251, shift_jis, gb18030, ...'}), or convert it "
        "to UTF-8"
    )


def _possible(first: bytes) -> list[tuple[str, str]]:
    """Encodings that the beginning of a file can be read in, with some words of it.

    Those come first in which most characters are letters of one script, and small ones.
    """
    at = next((number for number, byte in enumerate(first) if byte >= 128), None)
    if at is None:
        return []
    found: list[tuple[float, str, str]] = []
    for name in _ENCODINGS:
        try:
            # The last character may be cut.
            text = codecs.getincrementaldecoder(name)().decode(first)
            words = codecs.getincrementaldecoder(name)().decode(first[at:])
        except UnicodeDecodeError:
            continue
        beyond = [character for character in text if not character.isascii()]
        if not all(character.isprintable() or character.isspace() for character in beyond):
            continue
        scripts = Counter(
            unicodedata.name(character, "?").split()[0] for character in beyond
            if character.isalpha()
        )  # fmt: skip
        # These are what single bytes read as in Japanese encodings.
        scripts.pop("HALFWIDTH", None)
        if not scripts:
            continue
        most = max(scripts.values())
        small = sum(character.islower() or not character.isupper() for character in beyond)
        found.append((most * small / len(beyond) ** 2, name, " ".join(words[:12].split())))
    found.sort(key=lambda each: -each[0])
    return [(name, words) for _, name, words in found[:_SHOWN]]


def _wide(path: Path, first: bytes, notes: list[str], setting: str) -> str:
    """UTF-16 without a mark: in most texts, every other byte is 0."""
    even, odd = first[0::2].count(0), first[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) < 0.3 * len(first) / 2 or min(even, odd) > 0.1 * max(even, odd):
        raise DataError(f"{path} holds zero bytes, so it is no text; expected a file of text")
    notes.append(f"read as {encoding} ({setting})")
    return encoding
