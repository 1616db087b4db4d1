"""What each sample voted with when it was seen last, on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from natlib.errors import CheckpointError

__all__ = ["EmbeddingCache"]


class EmbeddingCache:
    """Half-precision anchors of all samples in memory-mapped files, one for even and one for odd
    epochs.

    Two, so that the anchors of an epoch stay as they are while the next one goes on: a run that
    is cut off in that epoch, and resumed at its begin, reads again what it read before.

    Args:
        folder: where the files are; kept if they are there and fit.
        samples: n.
        dim: d.

    Attributes:
        refresh_state: a file for how far a refresh with these anchors is.

    Raises:
        CheckpointError: they cannot be written.
    """

    def __init__(self, folder: Path, samples: int, dim: int) -> None:
        self._folder = folder
        self._epoch: int | None = None
        self.refresh_state = folder / "refresh.safetensors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._anchors = [
                _open(folder / f"anchors-{parity}.npy", np.float16, (samples, dim))
                for parity in (0, 1)
            ]
            self._seen = [
                _open(folder / f"seen-{parity}.npy", np.bool_, (samples,)) for parity in (0, 1)
            ]
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"the anchors for objective.refresh cannot be kept in {folder}: {error}; "
                f"free {4 * samples * dim / 2**20:.0f} MiB, or set objective.refresh to null"
            ) from error

    def write(self, epoch: int, index: Tensor, anchors: Tensor) -> None:
        """Keep the anchors Tensor[b, d] of samples int64[b]."""
        if epoch != self._epoch:
            # A refresh that was begun with what these were before does not go on.
            self._epoch = epoch
            self.refresh_state.unlink(missing_ok=True)
        rows = index.cpu().numpy()
        self._anchors[epoch % 2][rows] = anchors.to("cpu", torch.float16).numpy()
        self._seen[epoch % 2][rows] = True

    def read(self, epoch: int) -> tuple[Path, Tensor]:
        """The file with the anchors of an epoch [n, d], and the samples int64[s] in it."""
        for held in (self._anchors[epoch % 2], self._seen[epoch % 2]):
            held.flush()
        seen = torch.from_numpy(np.flatnonzero(self._seen[epoch % 2]))
        return self._folder / f"anchors-{epoch % 2}.npy", seen


def _open(path: Path, kind: type, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    if not path.exists():
        # Beside and renamed: another process may be about to open it too.
        partial = path.with_suffix(".partial")
        np.lib.format.open_memmap(partial, mode="w+", dtype=kind, shape=shape).flush()
        partial.replace(path)
    held: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r+")
    if held.shape != shape or held.dtype != kind:
        raise ValueError(f"{path} holds {list(held.shape)} of {held.dtype}, not {list(shape)}")
    return held
