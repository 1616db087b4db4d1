"""An index of the files in a folder, in an order that depends on their names only."""

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from natlib.data.files.left_out import DANGLING, HIDDEN, REPEATED, SPECIAL, kind_key
from natlib.data.files.names import NameTable
from natlib.errors import DataError

__all__ = [
    "FolderIndex",
    "first_files",
    "holds_files",
    "left_out_of",
    "scan",
    "visible_folders",
    "visible_names",
]

# What archives, network drives and operating systems leave beside the data of a user.
_CLUTTER = frozenset(
    [
        b"$RECYCLE.BIN",
        b"@eaDir",
        b"System Volume Information",
        b"Thumbs.db",
        b"__MACOSX",
        b"desktop.ini",
        b"ehthumbs.db",
        b"lost+found",
    ]
)


@dataclass(frozen=True)
class FolderIndex:
    """The files under a folder.

    Attributes:
        names: POSIX paths relative to the folder, sorted as bytes.
        groups: int32[n], which first-level folder each lies in; -1 directly in the folder.
        folders: names of the first-level folders, sorted, those without files too.
        left_out: how much was left out, by the keys of :mod:`natlib.data.files.left_out`.
        directories: every directory that was read, relative to the folder.
        changed: int64[m], when each of them was last changed, in nanoseconds.
    """

    names: NameTable
    groups: npt.NDArray[np.int32]
    folders: list[str]
    directories: NameTable
    changed: npt.NDArray[np.int64]
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def full_folders(self) -> list[str]:
        """Names of the first-level folders with files, sorted."""
        return [self.folders[group] for group in np.unique(self.groups[self.groups >= 0])]

    def digest(self) -> bytes:
        """SHA-256 of the names."""
        digest = hashlib.sha256(self.names.text.data)
        digest.update(self.names.ends.data)
        return digest.digest()


def scan(root: Path, extensions: Collection[str]) -> FolderIndex:
    """Read a folder and everything under it.

    Hidden files and folders, those that operating systems leave behind, files of other kinds and
    links to nothing are left out, and counted.

    A directory that can be reached in two ways (by a symbolic link) is read once, so that
    loops end and no file is there twice.

    Args:
        root: the folder.
        extensions: how the names of files that count end, without the dot; in lower case,
            and meant in upper case too.

    Raises:
        DataError: the folder cannot be read.
    """
    with _reading(root):
        return _Scan(root, _encoded(extensions)).run()


def _encoded(extensions: Collection[str]) -> frozenset[bytes]:
    return frozenset(extension.encode() for extension in extensions)


@contextmanager
def _reading(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = root if error.filename is None else os.fsdecode(error.filename)
        raise DataError(f"cannot read {name}: {error.strerror}") from error


class _Scan:
    """Depth first; what is kept of a directory that has been left is bytes, not objects."""

    def __init__(self, root: Path, extensions: frozenset[bytes]) -> None:
        self.root = os.fsencode(root)
        self.extensions = extensions
        self.seen: set[tuple[int, int]] = set()
        self.text = bytearray()
        self.lengths: list[npt.NDArray[np.int64]] = []
        self.counts: list[tuple[int, int]] = []  # (first-level folder, files)
        self.directories: list[bytes] = []
        self.changed: list[int] = []
        self.left_out: Counter[str] = Counter()

    def run(self) -> FolderIndex:
        self._visit(b"", -1)
        lengths = np.concatenate([np.zeros(0, np.int64), *self.lengths])
        folder_and_count = np.array(self.counts, dtype=np.int64).reshape(-1, 2)
        groups = np.repeat(folder_and_count[:, 0].astype(np.int32), folder_and_count[:, 1])
        return FolderIndex(
            names=NameTable(np.frombuffer(bytes(self.text), np.uint8), np.cumsum(lengths)),
            groups=groups,
            folders=visible_folders(self.root),
            directories=NameTable.pack(self.directories),
            changed=np.array(self.changed, dtype=np.int64),
            left_out=dict(self.left_out),
        )

    def _visit(self, prefix: bytes, group: int) -> None:
        path = os.path.join(self.root, prefix)
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in self.seen:
            self.left_out[REPEATED] += 1
            return
        self.seen.add((status.st_dev, status.st_ino))
        self.directories.append(prefix)
        self.changed.append(status.st_mtime_ns)
        run: list[bytes] = []
        number = -1
        for name in _entries(path, self.extensions, self.left_out):
            if not name.endswith(b"/"):
                run.append(prefix + name)
                continue
            number += 1
            self._keep(run, group)
            run = []
            self._visit(prefix + name, number if prefix == b"" else group)
        self._keep(run, group)

    def _keep(self, run: list[bytes], group: int) -> None:
        if run:
            self.text += b"".join(run)
            self.lengths.append(np.array([len(name) for name in run], dtype=np.int64))
            self.counts.append((group, len(run)))


def _entries(
    path: bytes, extensions: frozenset[bytes], left_out: Counter[str] | None = None
) -> list[bytes]:
    """Names of files and, with a slash behind, of directories, in the order of full paths.

    The slash is there for sorting: it is how the paths under a directory go on.
    """
    found: list[bytes] = []
    counted: Counter[str] = Counter() if left_out is None else left_out
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if _is_clutter(name):
                counted[HIDDEN] += 1
                continue
            try:
                if entry.is_dir():
                    found.append(name + b"/")
                elif entry.is_file():
                    extension = _extension(name)
                    if extension in extensions:
                        found.append(name)
                    else:
                        key = None if extension is None else os.fsdecode(extension)
                        counted[kind_key(key)] += 1
                else:
                    counted[DANGLING if entry.is_symlink() else SPECIAL] += 1
            except OSError as error:
                if error.errno != errno.ELOOP:  # a link to itself is neither
                    raise
                counted[DANGLING] += 1
    found.sort()
    return found


def _is_clutter(name: bytes) -> bool:
    return name.startswith(b".") or name in _CLUTTER


def _extension(name: bytes) -> bytes | None:
    _, dot, extension = name.rpartition(b".")
    return extension.lower() if dot else None


def visible_folders(root: Path | bytes) -> list[str]:
    """Names of the folders directly in a folder, in the order of the index.

    Raises:
        DataError: the folder cannot be read.
    """
    return visible_names(root, ())[0]


def visible_names(root: Path | bytes, extensions: Collection[str]) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files directly in a folder, in the order of the index.

    Args:
        root: the folder.
        extensions: how the names of files that count end, see :func:`scan`.

    Raises:
        DataError: the folder cannot be read.
    """
    with _reading(Path(os.fsdecode(root))):
        names = _entries(os.fsencode(root), _encoded(extensions))
    return (
        [os.fsdecode(name[:-1]) for name in names if name.endswith(b"/")],
        [os.fsdecode(name) for name in names if not name.endswith(b"/")],
    )


def left_out_of(root: Path, extensions: Collection[str]) -> dict[str, int]:
    """What :func:`visible_names` leaves out of a folder, as :attr:`FolderIndex.left_out`.

    Raises:
        DataError: the folder cannot be read.
    """
    counted: Counter[str] = Counter()
    with _reading(root):
        _entries(os.fsencode(root), _encoded(extensions), counted)
    return dict(counted)


def holds_files(root: Path, extensions: Collection[str]) -> bool:
    """Whether there is a file that counts in a folder or under it; stops at the first.

    Raises:
        DataError: the folder cannot be read.
    """
    with _reading(root):
        return _holds(os.fsencode(root), _encoded(extensions), set())


def _holds(path: bytes, extensions: frozenset[bytes], seen: set[tuple[int, int]]) -> bool:
    status = os.stat(path)
    if (status.st_dev, status.st_ino) in seen:
        return False
    seen.add((status.st_dev, status.st_ino))
    folders = []
    with os.scandir(path) as entries:
        for entry in entries:
            if _is_clutter(entry.name):
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.path)
                elif _extension(entry.name) in extensions and entry.is_file():
                    return True
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
    return any(_holds(folder, extensions, seen) for folder in sorted(folders))


def first_files(root: Path, count: int, extensions: Collection[str]) -> list[Path]:
    """Up to ``count`` files from all over a folder, without reading all of it.

    Raises:
        DataError: the folder cannot be read.
    """
    folders = visible_folders(root)
    chosen = folders[:: max(1, len(folders) // count)]
    wanted = _encoded(extensions)
    walks = [_walk(os.fsencode(root / name), wanted, set(), count) for name in chosen]
    walks.append(_walk(os.fsencode(root), wanted, set(), count))
    found: dict[bytes, None] = {}
    while walks and len(found) < count:
        still = []
        for walk in walks:
            with _reading(root):
                path = next(walk, None)
            if path is not None:
                found.setdefault(path)
                still.append(walk)
        walks = still
    return [Path(os.fsdecode(path)) for path in list(found)[:count]]


def _walk(
    path: bytes, extensions: frozenset[bytes], seen: set[tuple[int, int]], most: int
) -> Iterator[bytes]:
    """Files under a folder; of a directory with more than ``most``, so many from all over it."""
    status = os.stat(path)
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    names = _entries(path, extensions)
    files = [name for name in names if not name.endswith(b"/")]
    for position in range(min(most, len(files))):
        yield os.path.join(path, files[position * len(files) // min(most, len(files))])
    for name in names:
        if name.endswith(b"/"):
            yield from _walk(os.path.join(path, name), extensions, seen, most)
