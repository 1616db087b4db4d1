"""Unpack files that somebody else may have made: a few kilobytes may hold many gigabytes."""

import errno
import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from natlib.runtime.reading import MIB, check_file, open_file

__all__ = ["NpzFile", "most_unpacked", "open_gzip"]

# zlib packs zeros a thousand times smaller, real data hardly ever two hundred times.
_TIMES = 200
_ALWAYS = 512 * MIB


def open_gzip(path: Path, times: int = _TIMES, always: int = _ALWAYS) -> io.BufferedReader:
    """The content of a gzip file, as it is unpacked.

    Args:
        path: the file.
        times: how many times larger than the file its content may be.
        always: bytes that the content may have in any case.

    Raises:
        OSError: it cannot be opened; while reading, it is no gzip file or damaged, or its content
            is larger.
        EOFError: while reading, it is cut off.
    """
    most = most_unpacked(path, times, always)
    return io.BufferedReader(_Bounded(open_file(path), most, path), MIB)


def most_unpacked(path: Path, times: int = _TIMES, always: int = _ALWAYS) -> int:
    """Bytes that a packed file is read up to.

    Raises:
        OSError: there is no such file, or it is a pipe or a device.
    """
    return max(always, times * check_file(path))


class _Bounded(io.RawIOBase):
    """The content of a gzip file, up to a number of bytes."""

    def __init__(self, packed: io.BufferedReader, most: int, path: Path) -> None:
        super().__init__()
        self._packed, self._left, self._path = packed, most, path
        self._content = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = self._content.readinto(buffer)
        except zlib.error as error:
            raise OSError(errno.EIO, f"it is damaged: {error}", str(self._path)) from error
        self._left -= count
        if self._left < 0:
            raise OSError(
                errno.EFBIG, "it unpacks to far more than its size; unpack it", str(self._path)
            )
        return count

    def close(self) -> None:
        self._content.close()
        self._packed.close()
        super().close()


class NpzFile:
    """The arrays of an ``.npz`` file, read one by one; nothing is unpickled.

    Sizes are checked before anything is unpacked or allocated. A context manager.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not an ``.npz`` file.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_file(path)
        try:
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            self._file.close()
            raise ValueError(str(error) or "it is not a zip file") from error
        except BaseException:
            self._file.close()
            raise
        self._members = {
            info.filename.removesuffix(".npy"): info
            for info in self._zip.infolist()
            if info.filename.endswith(".npy")
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """An array.

        Raises:
            KeyError: there is none of this name.
            OSError: it cannot be read.
            ValueError: it is damaged, holds Python objects, or unpacks to far more than its size.
        """
        info = self._members[name]
        if info.file_size > max(_ALWAYS, _TIMES * info.compress_size):
            raise ValueError(
                f"it unpacks from {info.compress_size:,} bytes to {info.file_size:,}; save it "
                "without compression (numpy.savez)"
            )
        try:
            with self._zip.open(info) as member:
                _check_header(member, info.file_size)
            with self._zip.open(info) as member:
                array: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
                return array
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(str(error) or "it is cut off") from error
        except (RuntimeError, MemoryError) as error:  # encrypted; larger than the memory
            raise ValueError(str(error) or "it is larger than the memory") from error


def _check_header(member: Any, size: int) -> None:
    """Check that an array in a zip file has as many bytes as its shape says."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError("it has fields with names of their own; save plain arrays")
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read; save plain arrays")
    wanted, found = math.prod(shape) * dtype.itemsize, size - member.tell()
    if wanted != found:
        raise ValueError(
            f"its shape {list(shape)} takes {wanted:,} bytes, and it has {found:,}; save it again"
        )
