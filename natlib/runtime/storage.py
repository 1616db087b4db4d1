"""Copy tensors to the host, and write files so that a kill leaves the old content or the new.

A file is written beside its place as ``.NAME.PID.partial``, flushed, and renamed; then the folder
is flushed, so that the new name is on disk too. A folder is written as ``.NAME.partial``; the one
that it replaces has the name ``.NAME.previous`` for a moment. What is removed is renamed to
``.NAME.removed`` first. :func:`settle` clears up what a kill left.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO

from safetensors.torch import save_file
from torch import Tensor

from natlib.runtime.reading import MIB, check_file, open_file, read_bytes

__all__ = [
    "LEFT_OVER",
    "append_to",
    "delete",
    "digest",
    "flush",
    "new_file",
    "new_folder",
    "on_host",
    "previous_of",
    "read_files",
    "remove",
    "save_tensors",
    "settle",
    "write_file",
    "write_files",
]

LEFT_OVER = re.compile(r"\.(.+?)(?:\.\d+)?\.(partial|previous|removed)")
"""Names of what is being written or removed: the name it is for, and what it is."""
_IS_WINDOWS = os.name == "nt"


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; safetensors refuses tensors that share memory."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file, with the permissions that the umask gives.

    Raises:
        OSError: it cannot be written.
        SafetensorError: it cannot be written either.
    """
    path.touch()
    mode = path.stat().st_mode
    # The library writes a private temporary file, and renames it.
    save_file(dict(tensors), path)
    path.chmod(mode & 0o777)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on disk (fsync).

    Windows cannot open a folder, and needs no flush of one.
    """
    if _IS_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder: it is on disk as soon as it is changed.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which gets its name, in place of an older file, when it is complete.

    Raises:
        OSError: it cannot be written; the older file stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        flush(path.parent)
    except (Exception, KeyboardInterrupt):
        with suppress(OSError):
            partial.unlink()
        raise


def write_file(path: Path, content: str | bytes) -> None:
    """Write a whole file at once; text is UTF-8.

    Raises:
        OSError: it cannot be written; an older file stays.
    """
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def append_to(path: Path) -> TextIO:
    """Open a text file to add to, in UTF-8; a link in its place is replaced, and not followed.

    Raises:
        OSError: it cannot be written, or is a folder, a pipe or a device.
    """
    if path.is_symlink():
        path.unlink()
    if path.exists():
        check_file(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    for name in ("O_NOFOLLOW", "O_NONBLOCK"):  # should either have taken its place since
        flags |= getattr(os, name, 0)
    return os.fdopen(os.open(path, flags, 0o666), "a", encoding="utf-8")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name, in place of an older folder, when it is complete.

    While the older one gives way, it is at :func:`previous_of`; nothing else is complete then.

    Raises:
        OSError: it cannot be written; the older folder stays.
    """
    partial, previous = _beside(path, "partial"), _beside(path, "previous")
    try:
        delete(partial)
        partial.mkdir()
        yield partial
        for folder, _, files in os.walk(partial, topdown=False):
            for name in files:
                flush(Path(folder, name))
            flush(Path(folder))
        if os.path.lexists(path):
            delete(previous)
            os.rename(path, previous)
        os.rename(partial, path)
        flush(path.parent)
    except (Exception, KeyboardInterrupt):
        with suppress(OSError):
            if not os.path.lexists(path):
                os.rename(previous, path)
        with suppress(OSError):
            delete(partial)
        raise
    with suppress(OSError):
        delete(previous)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of small files at once; without files, no folder is made.

    Raises:
        OSError: they cannot be written.
    """
    if not files:
        return
    with new_folder(folder) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)


def read_files(folder: Path) -> dict[str, bytes]:
    """The contents of a folder's files by name; empty if there is no such folder.

    Raises:
        OSError: one cannot be read, or is larger than 512 MiB.
    """
    if not folder.is_dir():
        return {}
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    return {file.name: read_bytes(file, 512 * MIB) for file in files}


def remove(path: Path) -> None:
    """Remove a folder, so that its name never stands for half of it.

    Raises:
        OSError: it cannot be renamed. What then cannot be deleted is left to :func:`settle`.
    """
    removed = _beside(path, "removed")
    with suppress(FileNotFoundError):
        delete(removed)
    os.rename(path, removed)
    with suppress(OSError):
        delete(removed)


def delete(path: Path) -> None:
    """Delete a file, a link (not what it points to) or a folder; nothing happens if it is absent.

    Raises:
        OSError: it cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Clear up what a killed process left in a folder; one process at a time may write there.

    What was being written or removed is deleted. A folder whose successor had not got its name gets
    its own back.

    Raises:
        OSError: the folder cannot be written to.
    """
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        found = LEFT_OVER.fullmatch(entry.name)
        if found is None:
            continue
        if found[2] == "previous" and not os.path.lexists(folder / found[1]):
            os.rename(entry, folder / found[1])
        else:
            delete(entry)


def previous_of(path: Path) -> Path:
    """Where a folder is while another one takes its place."""
    return _beside(path, "previous")


def _beside(path: Path, suffix: str) -> Path:
    return path.parent / f".{path.name}.{suffix}"
