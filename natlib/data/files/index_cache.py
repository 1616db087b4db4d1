"""An index of a folder, kept in a file for as long as the folder does not change."""

import hashlib
import os
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np

from natlib.data.files.array_cache import read_arrays, write_arrays
from natlib.data.files.index import FolderIndex, scan
from natlib.data.files.names import NameTable

__all__ = ["cached_scan"]

# Another layout of the file, or another meaning of its content, is another version.
_VERSION = 2
# A folder that changed less than this before it was read may change again without a new time
# stamp (some file systems count in seconds); such an index is not kept.
_SETTLED_NS = 2_000_000_000


def cached_scan(root: Path, cache: Path | None, extensions: Collection[str]) -> FolderIndex:
    """The index of a folder, from ``cache`` if no directory has changed since.

    Files that are added, removed or renamed change the time stamp of their directory. The
    file holds plain arrays; nothing in it is unpickled. A file that cannot be read counts
    as absent, and one that cannot be written is done without.

    Args:
        root: the folder.
        cache: where the file is kept; None reads the folder in any case.
        extensions: how the names of files that count end, see :func:`scan`.
    """
    if cache is None:
        return scan(root, extensions)
    # Other extensions are another index of the same folder.
    key = b"\0".join([os.fsencode(root.absolute()), *sorted(e.encode() for e in extensions)])
    path = cache / f"files-{hashlib.sha256(key).hexdigest()[:16]}.npz"
    known = _load(path)
    if known is not None and _unchanged(root, known):
        return known
    began = time.time_ns()
    index = scan(root, extensions)
    if int(index.changed.max()) < began - _SETTLED_NS:
        _save(index, path)
    return index


def _unchanged(root: Path, index: FolderIndex) -> bool:
    # A directory that is new or gone has changed the one that it is in.
    try:
        return all(
            os.stat(os.path.join(root, name)).st_mtime_ns == changed
            for name, changed in zip(index.directories, index.changed, strict=True)
        )
    except OSError:
        return False


def _load(path: Path) -> FolderIndex | None:
    known = read_arrays(path)
    if known is None or int(known.get("version", -1)) != _VERSION:
        return None
    try:
        return FolderIndex(
            names=NameTable(known["text"], known["ends"]),
            groups=known["groups"],
            folders=list(NameTable(known["folder_text"], known["folder_ends"])),
            directories=NameTable(known["directory_text"], known["directory_ends"]),
            changed=known["changed"],
            left_out=dict(
                zip(
                    NameTable(known["left_out_text"], known["left_out_ends"]),
                    known["left_out"].tolist(),
                    strict=True,
                )
            ),
        )
    except (KeyError, ValueError):
        return None


def _save(index: FolderIndex, path: Path) -> None:
    folders = NameTable.pack(os.fsencode(name) for name in index.folders)
    left_out = NameTable.pack(os.fsencode(key) for key in index.left_out)
    write_arrays(
        path,
        version=_VERSION,
        text=index.names.text,
        ends=index.names.ends,
        groups=index.groups,
        folder_text=folders.text,
        folder_ends=folders.ends,
        directory_text=index.directories.text,
        directory_ends=index.directories.ends,
        changed=index.changed,
        left_out_text=left_out.text,
        left_out_ends=left_out.ends,
        left_out=np.array(list(index.left_out.values()), dtype=np.int64),
    )
