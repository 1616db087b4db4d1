"""Matching by halving.

Shapes: b rows, k columns, d dimensions.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from natlib.component import register
from natlib.solvers.kernels.block_problem import Dealing, Rows
from natlib.solvers.kernels.blocks import cells, halved
from natlib.solvers.local import LocalSolver

__all__ = ["Sliced", "sliced"]


@register
class Sliced(LocalSolver):
    """Points and candidates are divided at their medians along a direction, each half along
    another, down to leaves that are matched exactly: O(b log b) for leaves of a fixed size.

    A single sort sees one dimension of d; this sees one for each halving (as BSP-OT,
    Genest et al. 2025). Further passes halve the matched pairs instead, by the
    point or by the candidate, and match each leaf again if that is cheaper. Directions are
    differences of two points. Where there are more candidates, those left over are shared
    out evenly among the leaves. The same points in another order get the same matching.
    """

    kind: Literal["sliced"] = "sliced"
    leaf: int = Field(default=256, ge=2)
    """Candidates in a leaf at most."""
    passes: int = Field(default=4, ge=1)
    """How often everything is divided."""

    @property
    def part(self) -> int:
        return self.leaf

    def deal(self, dealing: Dealing, rows: int, rng: np.random.Generator) -> tuple[Rows, int, bool]:
        columns = sliced(dealing, rows, self.leaf, rng)
        count = cells(dealing.size, self.leaf)
        for _ in range(self.passes - 1):
            order = halved(dealing.places(columns, rng), _directions(dealing, count, rng))
            bounds = dealing.size * np.arange(1, count) // count
            columns, _ = dealing.improve(columns, np.split(order, bounds))
        return columns, self.passes, True


def sliced(dealing: Dealing, rows: int, leaf: int, rng: np.random.Generator) -> Rows:
    """Columns int64[b] from one division of ``rows`` points and all candidates, leaves matched."""
    count = cells(dealing.size, leaf)
    along = _directions(dealing, count, rng)
    row, column = halved(dealing.z, along), halved(dealing.c, along)
    part = np.arange(1, count)
    row_bounds = rows * part // count
    bounds = row_bounds + (dealing.size - rows) * part // count
    leaves = np.split(column, bounds)
    columns = np.empty(rows, dtype=np.int64)
    for held, offered in zip(np.split(row, row_bounds), leaves, strict=True):
        columns[held] = offered[: len(held)]
    return dealing.improve(dealing.feasible(columns), leaves)[0]


def _directions(dealing: Dealing, count: int, rng: np.random.Generator) -> np.ndarray:
    return dealing.spread(count.bit_length() - 1, rng)
