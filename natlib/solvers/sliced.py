"""Matching by repeated halving.

Shapes: b rows, k columns, d dimensions.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from natlib.component import register
from natlib.solvers.kernels.block_problem import BlockProblem, Index
from natlib.solvers.kernels.partition import halving_order, leaf_count
from natlib.solvers.kernels.points import Points
from natlib.solvers.local import LocalSolver

__all__ = ["Sliced", "match_leaves"]


@register
class Sliced(LocalSolver):
    """Divides points and candidates at their medians along a direction, each half along another,
    down to leaves that are matched exactly: O(b log b) for leaves of a fixed size.

    A single sort sees one dimension of d; this sees one for each halving (as BSP-OT,
    Genest et al. 2025). Further passes halve the matched pairs instead, each placed at its point
    or at its candidate, and match a leaf again if that is cheaper. Directions are
    differences of two points. Surplus candidates are divided evenly among the leaves. The same
    points in another order get the same matching.
    """

    kind: Literal["sliced"] = "sliced"
    leaf: int = Field(default=256, ge=2)
    """Candidates in a leaf at most."""
    passes: int = Field(default=4, ge=1)
    """Divisions of all points and candidates."""

    @property
    def part(self) -> int:
        return self.leaf

    def _match_parts(
        self, points: Points, problem: BlockProblem, rng: np.random.Generator
    ) -> tuple[Index, int, bool]:
        columns = match_leaves(points, problem, self.leaf, rng)
        count = leaf_count(problem.width, self.leaf)
        for _ in range(self.passes - 1):
            places = points.places(columns, rng)
            order = halving_order(places, _directions(points, count, rng))
            bounds = problem.width * np.arange(1, count) // count
            columns, _ = problem.improve(columns, np.split(order, bounds))
        return columns, self.passes, True


def match_leaves(
    points: Points, problem: BlockProblem, leaf: int, rng: np.random.Generator
) -> Index:
    """Columns int64[b] from one division of all rows and columns, each leaf matched."""
    rows, width = len(points.z), problem.width
    count = leaf_count(width, leaf)
    directions = _directions(points, count, rng)
    row, column = halving_order(points.z, directions), halving_order(points.c, directions)
    part = np.arange(1, count)
    row_bounds = rows * part // count
    bounds = row_bounds + (width - rows) * part // count
    leaves = np.split(column, bounds)
    columns = np.empty(rows, dtype=np.int64)
    for own, offered in zip(np.split(row, row_bounds), leaves, strict=True):
        columns[own] = offered[: len(own)]
    return problem.improve(problem.feasible(columns), leaves)[0]


def _directions(points: Points, count: int, rng: np.random.Generator) -> np.ndarray:
    return points.directions(count.bit_length() - 1, rng)
