"""Copy tensors to the host, and write files durably."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

__all__ = ["flush", "on_host", "read_files", "write_files"]


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; safetensors refuses tensors that share memory."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write small files and wait until they are on disk; without files, no folder is created.

    Raises:
        OSError: they cannot be written.
    """
    if not files:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        flush(folder / name)
    flush(folder)


def read_files(folder: Path) -> dict[str, bytes]:
    """The contents of a folder's files by name; empty if there is no such folder."""
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
