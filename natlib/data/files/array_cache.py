"""Arrays that were expensive to make, kept in a file."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.runtime.storage import new_file
from natlib.runtime.unpacking import NpzFile

__all__ = ["read_arrays", "write_arrays"]


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of a file by name; None if there is no such file, or it cannot be read.

    Nothing in it is unpickled.
    """
    try:
        with NpzFile(path) as file:
            return {name: file[name] for name in file}
    except (OSError, ValueError):
        return None


def write_arrays(path: Path, **arrays: npt.ArrayLike) -> None:
    """Write arrays to a file beside it, and rename that one; does nothing where it cannot write.

    Args:
        path: a file whose name ends in ``.npz``; its folder is made.
        arrays: by name.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
