"""Make a matching cheaper, one block of its pairs at a time.

Shapes: b rows, k columns; r rows and s columns of a block.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers.base import Solver, pairwise_cost
from natlib.solvers.kernels.mask import complete

__all__ = ["Block", "BlockProblem", "Index", "all_pairs", "cost_saved"]

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Block(NamedTuple):
    """A block that was matched again.

    Attributes:
        cost: Tensor[r, s].
        rows: int64[r].
        columns: int64[s].
        before: int64[r], the places in ``columns`` of what the rows had.
        after: int64[r], the places of what the solver gave them.
    """

    cost: Tensor
    rows: Index
    columns: Index
    before: Index
    after: Index


def cost_saved(block: Block) -> float:
    """What the rows of a block pay less after than before."""
    pairs = torch.from_numpy(np.stack([block.before, block.after], axis=1))
    before, after = block.cost.double().gather(1, pairs).sum(0)
    return float(before - after)


def all_pairs(rows: Index, columns: Index) -> None:
    """No mask: all pairs are allowed."""


@dataclass(frozen=True)
class BlockProblem:
    """A matching problem of which only blocks are ever computed.

    Attributes:
        width: k, the number of columns.
        cost: the costs [r, s] of rows int64[r] and columns int64[s].
        solver: matches a block.
        allowed: which of these pairs may be matched, bool[r, s]; None for all.
        saved: by how much a block is better after than before, in any unit; a block that is not
            better stays as it was.
    """

    width: int
    cost: Callable[[Index, Index], Tensor]
    solver: Solver
    allowed: Callable[[Index, Index], Mask | None] = all_pairs
    saved: Callable[[Block], float] = cost_saved

    @classmethod
    def of_points(cls, z: Tensor, c: Tensor, solver: Solver) -> "BlockProblem":
        """Of points [b, d] and candidates [k, d] on the host."""

        def cost(rows: Index, columns: Index) -> Tensor:
            return pairwise_cost(z[torch.from_numpy(rows)], c[torch.from_numpy(columns)])

        return cls(len(c), cost, solver)

    @classmethod
    def of_costs(cls, cost: NDArray[Any], allowed: Mask | None, solver: Solver) -> "BlockProblem":
        """Of a cost matrix [b, k] and the pairs bool[b, k] that may be matched."""
        matrix = torch.from_numpy(cost)

        def part(rows: Index, columns: Index) -> Tensor:
            return matrix[torch.from_numpy(rows)[:, None], torch.from_numpy(columns)]

        def part_of_mask(rows: Index, columns: Index) -> Mask | None:
            return None if allowed is None else allowed[np.ix_(rows, columns)]

        return cls(cost.shape[1], part, solver, part_of_mask)

    def feasible(self, columns: Index) -> Index:
        """The matching int64[b] itself, or one near it that has only allowed pairs."""
        allowed = self.allowed(np.arange(len(columns)), np.arange(self.width))
        if allowed is None:
            return columns
        fine = allowed[np.arange(len(columns)), columns]
        return columns if fine.all() else complete(np.where(fine, columns, -1), allowed)

    def improve(self, columns: Index, blocks: Sequence[Index]) -> tuple[Index, float]:
        """Match the columns of every block, and the rows that have them, again.

        Args:
            columns: int64[b], the column of each row; allowed pairs.
            blocks: the columns of each block; no column twice.

        Returns:
            The new columns, and what all blocks together saved.
        """
        owner = np.full(self.width, -1)
        owner[columns] = np.arange(len(columns))
        result = columns.copy()

        def rematch(block: Index) -> float:
            rows = owner[block]
            before = np.flatnonzero(rows >= 0)
            rows = rows[before]
            if not len(rows) or len(block) < 2:
                return 0.0
            cost, mask = self.cost(rows, block), self.allowed(rows, block)
            allowed = None if mask is None else torch.from_numpy(mask)
            after = self.solver.solve(cost, allowed).columns.numpy()
            saved = self.saved(Block(cost, rows, block, before, after))
            if saved <= 0:
                return 0.0
            result[rows] = block[after]
            return saved

        return result, sum(_in_threads(rematch, blocks))

    def total(self, columns: Index) -> float:
        """What a matching int64[b] costs."""
        total = 0.0
        for rows in np.array_split(np.arange(len(columns)), -(-len(columns) // 256)):
            total += float(self.cost(rows, columns[rows]).diagonal().double().sum())
        return total


def _in_threads(rematch: Callable[[Index], float], blocks: Sequence[Index]) -> list[float]:
    threads = min(len(blocks), torch.get_num_threads())
    if threads <= 1:
        return list(map(rematch, blocks))
    with ThreadPoolExecutor(threads, "natlib-blocks") as pool:
        return list(pool.map(rematch, blocks))
