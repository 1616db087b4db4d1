"""The latest embedding of each sample, on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from natlib.errors import CheckpointError

__all__ = ["EmbeddingCache"]


class EmbeddingCache:
    """Half-precision embeddings of all samples in memory-mapped files, one for even and one for
    odd epochs.

    With two files the embeddings of an epoch stay unchanged during the next one: a run that is
    interrupted there, and resumes from the beginning of the epoch, reads the same ones again.

    Args:
        folder: folder of the files; existing files are used if they fit.
        samples: n.
        dim: d.

    Attributes:
        progress_file: the state of an unfinished reassignment with these embeddings.

    Raises:
        CheckpointError: the files cannot be written.
    """

    def __init__(self, folder: Path, samples: int, dim: int) -> None:
        self._folder = folder
        self._epoch: int | None = None
        self.progress_file = folder / "reassignment.safetensors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._embeddings = [
                _open(folder / f"embeddings-{parity}.npy", np.float16, (samples, dim))
                for parity in (0, 1)
            ]
            self._seen = [
                _open(folder / f"seen-{parity}.npy", np.bool_, (samples,)) for parity in (0, 1)
            ]
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"the embeddings for assignment.reassign cannot be kept in {folder}: {error}; "
                f"free {4 * samples * dim / 2**20:.0f} MiB, or set assignment.reassign to null"
            ) from error

    def write(self, epoch: int, index: Tensor, z: Tensor) -> None:
        """Write the embeddings Tensor[b, d] of samples int64[b]."""
        if epoch != self._epoch:
            # An unfinished reassignment with earlier embeddings is not continued.
            self._epoch = epoch
            self.progress_file.unlink(missing_ok=True)
        rows = index.cpu().numpy()
        self._embeddings[epoch % 2][rows] = z.to("cpu", torch.float16).numpy()
        self._seen[epoch % 2][rows] = True

    def read(self, epoch: int) -> tuple[Path, Tensor]:
        """The file with the embeddings [n, d] of an epoch, and which samples int64[s] it has."""
        for held in (self._embeddings[epoch % 2], self._seen[epoch % 2]):
            held.flush()
        seen = torch.from_numpy(np.flatnonzero(self._seen[epoch % 2]))
        return self._folder / f"embeddings-{epoch % 2}.npy", seen


def _open(path: Path, kind: type, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    if not path.exists():
        # Written under another name and renamed: another process may be opening it.
        partial = path.with_suffix(".partial")
        np.lib.format.open_memmap(partial, mode="w+", dtype=kind, shape=shape).flush()
        partial.replace(path)
    held: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r+")
    if held.shape != shape or held.dtype != kind:
        raise ValueError(f"{path} holds {list(held.shape)} of {held.dtype}, not {list(shape)}")
    return held
