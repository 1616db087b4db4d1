"""Where the rows and columns of a matching problem lie, so that near ones can be found.

Shapes: b rows, k columns, d dimensions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers.kernels.centre_costs import centre_costs

__all__ = ["Points", "location_hash", "pair_places"]

Index = NDArray[np.int64]
Vectors = NDArray[np.float32]

# Landmark rows and columns that stand for all where only costs are given, and the share of the
# largest singular value below which a direction is noise.
_LANDMARKS, _LEAST = 64, 0.05

# Rows that are converted to float64 together.
_ROWS = 2**14

# Multiplies projections before their fractional part is taken: large enough that neighbours get
# unrelated fractions, small enough that a float32 has digits left behind the point.
_SCRAMBLE = 2.0**12


@dataclass(frozen=True)
class Points:
    """A point for each row and for each column; pairs that are cheap lie near each other.

    Attributes:
        z: float32[b, d], the rows: centred, with a mean squared length of 1.
        c: float32[k, d], the columns: likewise.
    """

    z: Vectors
    c: Vectors

    @classmethod
    def of_vectors(cls, z: Tensor, c: Tensor) -> "Points":
        """Of points [b, d] and candidates [k, d] on the host."""
        return cls(_normalised(z), _normalised(c))

    @classmethod
    def of_costs(
        cls, cost: NDArray[Any], allowed: NDArray[np.bool_] | None, rng: np.random.Generator
    ) -> "Points":
        """Of a cost matrix [b, k], by the Nystroem method for two sets (Williams & Seeger 2000).

        Some rows and columns serve as landmarks.
        """
        centred = centre_costs(cost, allowed).astype(np.float32)
        rows, columns = centred.shape
        some_rows = np.sort(rng.choice(rows, min(_LANDMARKS, rows), replace=False))
        some_columns = np.sort(rng.choice(columns, min(_LANDMARKS, columns), replace=False))
        left, size, right = np.linalg.svd(centred[np.ix_(some_rows, some_columns)])
        kept = size[size > _LEAST * size[0]] if size[0] else size[:1] + 1
        z = -centred[:, some_columns] @ right[: len(kept)].T / np.sqrt(kept)
        c = centred[some_rows].T @ left[:, : len(kept)] / np.sqrt(kept)
        return cls(_normalised(torch.from_numpy(z)), _normalised(torch.from_numpy(c)))

    def places(self, columns: Index, rng: np.random.Generator) -> Vectors:
        """Where each column counts as lying, [k, d]; see :func:`pair_places`.

        Args:
            columns: int64[b], the column that each row has.
            rng: decides which pairs lie at their rows.
        """
        rows = np.flatnonzero(location_hash(self.z, rng) < 0.5)
        return pair_places(self.c, columns[rows], self.z[rows])

    def sample_rows(self, count: int, rng: np.random.Generator) -> Vectors:
        """The points [count, d] of rows chosen at random; all of them if there are no more."""
        count = min(count, len(self.z))
        drawn = location_hash(self.z, rng)
        chosen = np.argpartition(drawn, count - 1)[:count]
        return self.z[chosen[np.argsort(drawn[chosen], kind="stable")]]

    def directions(self, count: int, rng: np.random.Generator) -> Vectors:
        """Random directions [count, d], distributed like the differences between rows."""
        anywhere = rng.standard_normal((count, self.z.shape[1]), dtype=np.float32)
        along = np.zeros(anywhere.shape)
        # Summed in float64, so that the order of rows makes no difference that matters.
        for some in np.array_split(self.z, -(-len(self.z) // _ROWS)):
            some = some.astype(np.float64)
            along += (anywhere @ some.T) @ some
        return (along / len(self.z)).astype(np.float32)


def pair_places(c: Vectors, columns: Index, z: Vectors) -> Vectors:
    """Where pairs lie: each at its column, and those of some rows at their row instead.

    If half of the pairs lie at their rows, rows meet the columns near them, and columns that
    other rows have are among these.

    Args:
        c: float32[k, d], all columns.
        columns: int64[r], the columns of the rows in ``z``.
        z: float32[r, d], the rows whose pairs lie at the row.

    Returns:
        float32[k, d].
    """
    place = c.copy()
    place[columns] = z
    return place


def location_hash(x: Vectors, rng: np.random.Generator) -> NDArray[np.float32]:
    """A pseudo-random number in [0, 1) for each point [n, d], a function of where it lies.

    It does not depend on the order of points, so that the same points in another order get the
    same matching. Points in the same place get the same number.
    """
    along = rng.standard_normal(x.shape[1], dtype=np.float32) * np.float32(_SCRAMBLE)
    numbers: NDArray[np.float32] = np.einsum("ij,j->i", x, along) % np.float32(1)
    return numbers


def _normalised(x: Tensor) -> Vectors:
    """Centred, with a mean squared length of 1."""
    x = x.double() - x.double().mean(0)
    size = x.square().sum(-1).mean().sqrt()
    normalised: Vectors = (x / size if size > 0 else x).float().numpy()
    return normalised
