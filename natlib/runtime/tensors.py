"""Tensors in safetensors files that somebody else may have made."""

import errno
import os
from pathlib import Path

from safetensors.torch import load, load_file
from torch import Tensor

from natlib.runtime.reading import check_file

__all__ = ["read_tensors"]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, in this machine's memory.

    Sizes are those of the file: a header that promises more than the file holds is an error.

    Raises:
        OSError: there is no such file, it is a pipe or a device, or larger than the memory (a file
            with holes takes no space on a disk).
        SafetensorError: it is damaged, or another kind of file.
    """
    size, memory = check_file(path), _memory()
    if size > memory:
        raise OSError(
            errno.EFBIG, f"it has {size >> 30} GiB, and this machine {memory >> 30}", str(path)
        )
    try:
        str(path).encode()
    except UnicodeEncodeError:
        # The library takes no such path.
        return load(path.read_bytes())
    return load_file(path)


def _memory() -> int:
    """Bytes of memory that this machine has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not everywhere
        return 1 << 62
