"""An index of the lines or paragraphs of a text file."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from natlib.data.files import read_arrays, write_arrays
from natlib.errors import DataError

__all__ = ["LineIndex", "Unit", "index_lines"]

Unit = Literal["line", "paragraph"]

_BLOCK = 16 << 20
# Raised when the layout of the cached file changes.
_VERSION = 1
_ARRAYS = {"stamp", "starts", "ends", "lines"}
_INK = np.ones(256, dtype=np.bool_)
_INK[[9, 10, 11, 12, 13, 32]] = False  # ASCII white space; no other is a single byte

Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LineIndex:
    """The samples of a text file; blank lines are not samples.

    Attributes:
        starts: int64[n], offset of the first byte of each.
        ends: int64[n], offset after its last byte, without the end of the line.
        lines: int64[n], number of its first line, counted from 1.
    """

    starts: Offsets
    ends: Offsets
    lines: Offsets


def index_lines(path: Path, unit: Unit, cache: Path | None = None) -> LineIndex:
    """Index a text file; reads it once, block by block.

    Args:
        path: the file.
        unit: ``line``, or ``paragraph`` for lines up to a blank one.
        cache: a folder in which the index is kept for as long as the file does not change.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        status = path.stat()
        stamp = np.array([_VERSION, status.st_size, status.st_mtime_ns])
        if cache is None:
            return _index(path, unit)
        key = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
        kept = cache / f"{unit}s-{key}.npz"
        known = read_arrays(kept) or {}
        if known.keys() == _ARRAYS and np.array_equal(known["stamp"], stamp):
            return LineIndex(known["starts"], known["ends"], known["lines"])
        index = _index(path, unit)
        write_arrays(kept, stamp=stamp, starts=index.starts, ends=index.ends, lines=index.lines)
        return index
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _index(path: Path, unit: Unit) -> LineIndex:
    found = list(_lines(path))
    starts, ends = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    ink = np.concatenate([part[2] for part in found])
    first = last = ink
    if unit == "paragraph":
        first = ink & ~np.concatenate([[False], ink[:-1]])
        last = ink & ~np.concatenate([ink[1:], [False]])
    return LineIndex(starts[first], ends[last], np.flatnonzero(first) + 1)


def _lines(path: Path) -> Iterator[tuple[Offsets, Offsets, npt.NDArray[np.bool_]]]:
    """Starts and ends of all lines, and whether they hold more than white space."""
    before, start, ink_so_far = 0, 0, False  # of the line that continues from the last block
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            array = np.frombuffer(block, dtype=np.uint8)
            ends = np.flatnonzero(array == 10)
            if len(ends):
                starts = np.concatenate([[0], ends[:-1] + 1])
                tail = int(ends[-1]) + 1
                ink = np.logical_or.reduceat(_INK[array[:tail]], starts)
                ink[0] |= ink_so_far
                starts += before
                starts[0] = start
                yield starts, ends + before, ink
                start, ink_so_far = before + tail, False
                array = array[tail:]
            ink_so_far = ink_so_far or bool(_INK[array].any())
            before += len(block)
    yield np.array([start]), np.array([before]), np.array([ink_so_far])
