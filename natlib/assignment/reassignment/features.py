"""Features and targets of many samples, a few at a time.

Shapes: n samples, s of them selected, d dimensions.
"""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.assignment.table import SLOTS_OF_A_LAYER
from natlib.errors import DataError, NonFiniteError
from natlib.runtime.reading import check_file
from natlib.targets import TargetDistribution, TargetModule

__all__ = ["FeatureRows", "Source", "TargetRows"]

Source = Tensor | NDArray[Any] | str | Path
"""Features [n, d]: in memory, memory-mapped, or the path of a .npy file."""

_CHUNK = 2**15
# Targets that mean and scale are estimated from, and how many are computed at a time.
_SOME, _FEW = 4096, 8192


class FeatureRows:
    """The selected rows of features, centred and of about unit length, in float32.

    Args:
        source: [n, d] in any floating type.
        samples: n, the rows that the features must have.
        index: int64[s], the selected samples.

    Attributes:
        index: int64[s].
        dim: d.
        mean: float64[d], of the selected rows.
        scale: the root mean square length of the selected rows once they are centred.
        square: the sum of the squared lengths of the selected rows.
        digest: tells other features or other selections from these.

    Raises:
        DataError: not [n, d], or not a file that holds an array.
        NonFiniteError: a selected row holds NaN or infinity; names the sample.
    """

    def __init__(self, source: Source, samples: int, index: NDArray[np.int64]) -> None:
        self._source = _opened(source)
        shape = list(self._source.shape)
        if len(shape) != 2 or shape[0] != samples or shape[1] < 1:
            raise DataError(
                f"features of {samples} samples need the shape [{samples}, d], got {shape}; "
                "give one row to each sample of the table, and pass index= if only some are known"
            )
        self.index, self.dim = index, shape[1]
        total, squares = np.zeros(self.dim), np.zeros(self.dim)
        digest = hashlib.blake2b(index.tobytes(), digest_size=16)
        for start in range(0, len(index), _CHUNK):
            x = self._raw(index[start : start + _CHUNK])
            _check_finite(x, index[start:])
            digest.update(x.tobytes())
            total += x.sum(axis=0, dtype=np.float64)
            squares += np.square(x, dtype=np.float64).sum(axis=0)
        count = max(1, len(index))
        self.mean = total / count
        self.square = float(squares.sum())
        self.scale = math.sqrt(max(self.square / count - float(self.mean @ self.mean), 0.0))
        # What is left of equal features is rounding, which must not decide.
        if self.scale <= 1e-6 * math.sqrt(self.square / count):
            self.scale = 1.0
        self.digest = digest.hexdigest()

    def __call__(self, position: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows [p, d] of the samples at positions int64[p] of the index."""
        x = self._raw(self.index[position])
        x -= self.mean.astype(np.float32)
        x *= 1 / self.scale
        return x

    def _raw(self, sample: NDArray[np.int64]) -> NDArray[np.float32]:
        if isinstance(self._source, Tensor):
            rows = self._source[torch.from_numpy(sample).to(self._source.device)]
            return rows.to("cpu", torch.float32, copy=True).numpy()
        return self._source[sample].astype(np.float32)


class TargetRows:
    """Targets of slots, a few thousand at a time, in float32 on the host.

    Args:
        targets: computes targets from slots.
        samples: n, the slots of a layer.
        device: where slots are turned into targets.

    Attributes:
        mean: float32[d], about the mean of all targets.
        scale: about the root mean square of their lengths once they are centred.
    """

    def __init__(
        self, targets: TargetDistribution | TargetModule, samples: int, device: torch.device
    ) -> None:
        self._targets, self._device = targets, device
        some = self(np.unique(np.linspace(0, samples - 1, _SOME).astype(np.int64)), 0)
        self.mean = some.mean(axis=0)
        self.scale = float(np.square(some - self.mean).sum(axis=1).mean() ** 0.5) or 1.0

    def __call__(self, slot: NDArray[np.int64], layer: int) -> NDArray[np.float32]:
        """Targets [p, d] of the slots int64[p] of a layer."""
        slots = torch.from_numpy(slot + layer * SLOTS_OF_A_LAYER).to(self._device)
        with torch.no_grad():
            parts = [self._targets.rows(few).to("cpu", torch.float32) for few in slots.split(_FEW)]
        return torch.cat(parts).numpy()


def _opened(source: Source) -> Tensor | NDArray[Any]:
    if isinstance(source, Tensor):
        return source.detach()
    if isinstance(source, np.ndarray):
        return source
    try:
        check_file(Path(source))
        held: NDArray[Any] = np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"features cannot be read from {source}: {error}; give a .npy file [n, d]"
        ) from error
    return held


def _check_finite(x: NDArray[np.float32], sample: NDArray[np.int64]) -> None:
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        first = int(sample[bad[0]])
        raise NonFiniteError(
            f"the features of sample {first} hold NaN or infinity, so its slots cannot be "
            "reassigned; leave it out of index, or find out why the encoder returns them",
            first,
        )
