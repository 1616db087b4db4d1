"""Getting tensors and files safely onto the disk."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

__all__ = ["flush", "on_host"]


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; copies, since safetensors refuses tensors that share memory."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def flush(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk and not only on its way."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
