"""Make a matching cheaper, a block of its pairs at a time.

Shapes: b rows, k columns, d dimensions; r rows and s columns of a block.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers.base import Solver, pairwise_cost
from natlib.solvers.kernels.centre_costs import centred
from natlib.solvers.kernels.mask import complete

__all__ = ["Dealing", "Rows", "dice"]

Rows = NDArray[np.int64]

# Rows and columns that points are made from where only costs are given, and which part of the
# largest singular value counts.
_LANDMARKS, _LEAST = 64, 0.05

# Rows that are widened together.
_ROWS = 2**14

# Turns places into dice: so many that neighbours get numbers that have nothing in common, so
# few that a float32 has digits left behind the point.
_SHUFFLE = 2.0**12


@dataclass(frozen=True)
class Dealing:
    """A matching problem of which only blocks are looked at.

    Attributes:
        z: float32[b, d], where rows are: only which ones are near each other counts.
        c: float32[k, d], where columns are; near the rows that they are cheap for.
        cost: what the pairs of some rows int64[r] and columns int64[s] cost, [r, s].
        allowed: bool[b, k], the pairs that may be matched; None for all.
        solver: matches a block.
    """

    z: NDArray[np.float32]
    c: NDArray[np.float32]
    cost: Callable[[Rows, Rows], Tensor]
    allowed: NDArray[np.bool_] | None
    solver: Solver

    @classmethod
    def of_points(cls, z: Tensor, c: Tensor, solver: Solver) -> "Dealing":
        """Of points [b, d] and candidates [k, d] on the host."""

        def cost(row: Rows, column: Rows) -> Tensor:
            return pairwise_cost(z[torch.from_numpy(row)], c[torch.from_numpy(column)])

        return cls(_even(z), _even(c), cost, None, solver)

    @classmethod
    def of_costs(
        cls,
        cost: NDArray[Any],
        allowed: NDArray[np.bool_] | None,
        solver: Solver,
        rng: np.random.Generator,
    ) -> "Dealing":
        """Of a matrix [b, k]; points are made from some of its rows and columns (Williams &
        Seeger 2000, the Nystroem method, for two sets).
        """
        even = centred(cost, allowed).astype(np.float32)
        some_rows = np.sort(rng.choice(len(even), min(_LANDMARKS, len(even)), replace=False))
        some_columns = np.sort(
            rng.choice(even.shape[1], min(_LANDMARKS, even.shape[1]), replace=False)
        )
        left, size, right = np.linalg.svd(even[np.ix_(some_rows, some_columns)])
        kept = size[size > _LEAST * size[0]] if size[0] else size[:1] + 1
        z = -even[:, some_columns] @ right[: len(kept)].T / np.sqrt(kept)
        c = even[some_rows].T @ left[:, : len(kept)] / np.sqrt(kept)
        whole = torch.from_numpy(cost)

        def part(row: Rows, column: Rows) -> Tensor:
            return whole[torch.from_numpy(row)[:, None], torch.from_numpy(column)]

        return cls(_even(torch.from_numpy(z)), _even(torch.from_numpy(c)), part, allowed, solver)

    @cached_property
    def size(self) -> int:
        """k, the number of columns."""
        return len(self.c)

    def feasible(self, columns: Rows) -> Rows:
        """The same matching int64[b], or where it has pairs that are not allowed, a near one."""
        if self.allowed is None:
            return columns
        fine = self.allowed[np.arange(len(columns)), columns]
        return columns if fine.all() else complete(np.where(fine, columns, -1), self.allowed)

    def places(self, columns: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Where each column belongs [k, d]: by itself, or as often by the row that has it.

        So rows meet the columns near them, and columns that other rows have come along.
        """
        place = self.c.copy()
        row = np.flatnonzero(dice(self.z, rng) < 0.5)
        place[columns[row]] = self.z[row]
        return place

    def some_rows(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """The places [count, d] of rows chosen at random, at most of all."""
        count = min(count, len(self.z))
        thrown = dice(self.z, rng)
        chosen = np.argpartition(thrown, count - 1)[:count]
        return self.z[chosen[np.argsort(thrown[chosen], kind="stable")]]

    def spread(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Random directions [count, d] in which rows differ: more of where they differ more."""
        anywhere = rng.standard_normal((count, self.z.shape[1]), dtype=np.float32)
        along = np.zeros(anywhere.shape)
        # Added up in float64, so that the order of rows leaves no trace that matters.
        for some in np.array_split(self.z, -(-len(self.z) // _ROWS)):
            some = some.astype(np.float64)
            along += (anywhere @ some.T) @ some
        return (along / len(self.z)).astype(np.float32)

    def improve(self, columns: Rows, blocks: list[Rows]) -> tuple[Rows, float]:
        """Match every block of columns, and the rows that have them, again; if that is cheaper.

        Args:
            columns: int64[b], of allowed pairs.
            blocks: the columns of each block; no column twice.

        Returns:
            The new columns, and what they cost less.
        """
        owner = np.full(self.size, -1)
        owner[columns] = np.arange(len(columns))
        result = columns.copy()

        def work(block: Rows) -> float:
            rows = owner[block]
            held = np.flatnonzero(rows >= 0)
            rows = rows[held]
            if not len(rows) or len(block) < 2:
                return 0.0
            cost = self.cost(rows, block)
            mask = None
            if self.allowed is not None:
                mask = torch.from_numpy(self.allowed[np.ix_(rows, block)])
            found = self.solver.solve(cost, mask).columns
            pairs = torch.stack([torch.from_numpy(held), found])
            paid = cost.double().gather(1, pairs.T).sum(0)
            gain = float(paid[0] - paid[1])
            if gain > 0:
                result[rows] = block[found.numpy()]
            return max(gain, 0.0)

        return result, sum(_each(work, blocks))

    def paid(self, columns: Rows) -> float:
        """What a matching int64[b] costs."""
        total = 0.0
        for rows in np.array_split(np.arange(len(columns)), -(-len(columns) // 256)):
            total += float(self.cost(rows, columns[rows]).diagonal().double().sum())
        return total


def dice(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A random number in [0, 1) for each point [n, d] that depends on where the point is.

    It does not depend on the order of points, so that the same points in another order get the
    same matching. Points in the same place get the same number.
    """
    along = rng.standard_normal(x.shape[1], dtype=np.float32) * np.float32(_SHUFFLE)
    thrown: NDArray[np.float32] = np.einsum("ij,j->i", x, along) % np.float32(1)
    return thrown


def _each(work: Callable[[Rows], float], blocks: list[Rows]) -> list[float]:
    threads = min(len(blocks), torch.get_num_threads())
    if threads <= 1:
        return list(map(work, blocks))
    with ThreadPoolExecutor(threads, "natlib-blocks") as pool:
        return list(pool.map(work, blocks))


def _even(x: Tensor) -> NDArray[np.float32]:
    """Centred, with a mean squared length of 1."""
    x = x.double() - x.double().mean(0)
    size = x.square().sum(-1).mean().sqrt()
    even: NDArray[np.float32] = (x / size if size > 0 else x).float().numpy()
    return even
