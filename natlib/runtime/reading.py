"""Read small files that somebody else may have made: in bounded memory, and only from files.

Whoever opens a named pipe waits until somebody writes to it; a device may never end, and a file
that is said to hold a few settings may hold gigabytes.
"""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any

__all__ = [
    "DEEPEST",
    "MIB",
    "check_file",
    "open_file",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
]

MIB = 1 << 20
"""Bytes in a mebibyte."""
_SMALL = 16 * MIB
DEEPEST = 100
"""Levels of lists and objects in a JSON text, at most."""
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_file(path: Path) -> int:
    """Check that a path leads to a file; links are followed.

    Returns:
        Its size in bytes.

    Raises:
        OSError: there is none, or it is a folder, a pipe, a socket or a device.
    """
    status = os.stat(path)
    _check(status, path)
    return status.st_size


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; never waits for the other end of a pipe.

    Raises:
        OSError: as of :func:`check_file`, or it cannot be read.
    """
    check_file(path)
    # Without waiting, should a pipe have taken its place since.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC)
    try:
        _check(os.fstat(handle), path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: Path, most: int = _SMALL) -> bytes:
    """The content of a file.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        OSError: as of :func:`open_file`, or it is larger.
    """
    with open_file(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(
            errno.EFBIG, f"it is larger than {most // MIB} MiB, which is not expected", str(path)
        )
    return content


def read_text(path: Path, most: int = _SMALL) -> str:
    """The content of a text file in UTF-8; a byte order mark is left out.

    Raises:
        OSError: as of :func:`read_bytes`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def read_json(path: Path, most: int = _SMALL) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: as of :func:`read_bytes`.
        ValueError: as of :func:`parse_json`.
    """
    return parse_json(read_text(path, most))


def parse_json(text: str, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text.

    Args:
        text: the text.
        hook: makes the value of an object from its keys and values.

    Raises:
        ValueError: it is not JSON, or has more than :data:`DEEPEST` levels of lists and objects,
            which what walks through it could not follow.
    """
    try:
        value = json.loads(text, object_pairs_hook=hook)
    except RecursionError as error:
        raise ValueError(f"more than {DEEPEST} levels of keys and lists") from error
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _held(outer)]
        if not level:
            return value
    raise ValueError(f"more than {DEEPEST} levels of keys and lists")


def _held(value: Any) -> Iterable[Any]:
    """What a list or an object holds."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check(status: os.stat_result, path: Path) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "it is a folder, and not a file", str(path))
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise OSError(errno.EINVAL, f"it is {what}, and not a file", str(path))
