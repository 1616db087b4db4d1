"""One pass over all samples: pairs of samples and slots in groups, groups in blocks.

Shapes: s samples, g of them in a group, d dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.assignment.reassignment.features import FeatureRows, TargetRows
from natlib.solvers import Solver
from natlib.solvers.kernels.block_problem import Block, BlockProblem, Index
from natlib.solvers.kernels.partition import balanced_groups
from natlib.solvers.kernels.points import pair_places

__all__ = ["Allowed", "GroupResult", "Groups"]

Allowed = Callable[[NDArray[np.int64], NDArray[np.int64], int], NDArray[np.bool_] | None]
"""Which of g samples may have which of g slots of a layer, bool[g, g]; None for all. Called with
samples, slots (as the layer's permutation numbers them) and layer, by several threads."""

Vectors = NDArray[np.float32]

# Blocks in a group: each thread holds the features and targets of so many at a time.
_BLOCKS = 16
# Pairs that are divided into groups at a time.
_CHUNK = 2**16
# Similarities are summed as multiples of this: exactly, in any order.
_UNIT = 2.0**-32


@dataclass(frozen=True)
class GroupResult:
    """What matching a group again has changed.

    Attributes:
        slots: int64[g], the new slots of its samples.
        before: similarity with the old ones, in units.
        after: with the new ones.
        total: float64[d], the sum of the targets.
        square: sum of their squared lengths.
    """

    slots: NDArray[np.int64]
    before: int
    after: int
    total: NDArray[np.float64]
    square: float


@dataclass(frozen=True)
class Groups:
    """Divides pairs into groups and matches a group again; both are functions of the arguments.

    A pair of a sample and its slot lies at the sample or, as often, at the target: so samples
    meet the targets near them, and slots that other samples have are among these. In the first
    pass groups and blocks are random.

    Attributes:
        features: of the samples.
        targets: of the slots.
        solver: matches a block.
        block: pairs in a block.
        seed: of anchors, of where pairs lie, and of random blocks.
        allowed: pairs that may be matched; each sample may have the slot that it has.
    """

    features: FeatureRows
    targets: TargetRows
    solver: Solver
    block: int
    seed: int
    allowed: Allowed | None = None

    @property
    def unit(self) -> float:
        """What a similarity of 1 in whole numbers is as a dot product."""
        return _UNIT * self.features.scale * self.targets.scale

    @property
    def count(self) -> int:
        """How many groups a pass has."""
        return max(1, round(len(self.features.index) / (_BLOCKS * self.block)))

    @property
    def chunks(self) -> int:
        """Parts in which samples are divided into groups; see :meth:`divide`."""
        return -(-len(self.features.index) // _CHUNK)

    def divide(
        self, slots: NDArray[np.int64], pass_number: int, layer: int, chunk: int
    ) -> list[NDArray[np.int64]]:
        """Divide every n-th sample into groups, for n chunks.

        Args:
            slots: int64[s], the current slots of all samples.
            pass_number: counted from 0.
            layer: of the slots.
            chunk: number of the first of these samples, below :attr:`chunks`.

        Returns:
            Positions int64 of these samples, for each group.
        """
        position = np.arange(chunk, len(slots), self.chunks)
        rng = np.random.default_rng((self.seed, pass_number, layer, 0, chunk))
        if pass_number == 0 or self.count == 1 or len(position) < self.count:
            return np.array_split(rng.permutation(position), self.count)
        # All chunks have the same anchors.
        anchor = np.random.default_rng((self.seed, pass_number, layer, 1)).choice(
            len(slots), self.count, replace=False
        )
        place = self.features(position)
        at_target = np.flatnonzero(rng.random(len(position)) < 0.5)
        place[at_target] = self._centred(self.targets(slots[position[at_target]], layer))
        affinity = _dots(place, self.features(np.sort(anchor))).numpy()
        return [position[group] for group in balanced_groups(affinity)]

    def rematch(
        self,
        position: NDArray[np.int64],
        slots: NDArray[np.int64],
        pass_number: int,
        layer: int,
        group: int,
    ) -> GroupResult:
        """Match every block of a group again; no block gets worse.

        Args:
            position: int64[g], the samples.
            slots: int64[g], their current slots.
            pass_number: counted from 0.
            layer: of the slots.
            group: its number.
        """
        z, c = self.features(position), self.targets(slots, layer)

        def cost(rows: Index, columns: Index) -> Tensor:
            return _dots(z[rows], c[columns]).neg_()

        def allowed(rows: Index, columns: Index) -> NDArray[np.bool_] | None:
            if self.allowed is None:
                return None
            return self.allowed(self.features.index[position[rows]], slots[columns], layer)

        def saved(block: Block) -> int:
            own = z[block.rows]
            after = self._similarity(own, c[block.columns[block.after]])
            return after - self._similarity(own, c[block.columns[block.before]])

        # Row i has column i.
        problem = BlockProblem(len(position), cost, self.solver, allowed, saved)
        rng = np.random.default_rng((self.seed, pass_number, layer, 2, group))
        columns, gained = problem.improve(
            np.arange(len(position)), self._blocks(z, c, rng, near=pass_number > 0)
        )
        before = self._similarity(z, c)
        return GroupResult(
            slots[columns],
            before,
            before + int(gained),
            c.sum(axis=0, dtype=np.float64),
            float(np.einsum("ij,ij->i", c, c).sum(dtype=np.float64)),
        )

    def _blocks(
        self, z: Vectors, c: Vectors, rng: np.random.Generator, *, near: bool
    ) -> list[NDArray[np.int64]]:
        """The pairs of each block: near each other, or at random."""
        count = -(-len(z) // self.block)
        if not near or count == 1:
            return np.array_split(rng.permutation(len(z)), count)
        at_sample = np.flatnonzero(rng.random((len(z), 1)) < 0.5)
        place = pair_places(self._centred(c), at_sample, z[at_sample])
        anchor = rng.choice(len(z), count, replace=False)
        return balanced_groups(_dots(place, z[anchor]).numpy())

    def _centred(self, c: Vectors) -> Vectors:
        centred: Vectors = (c - self.targets.mean) / np.float32(self.targets.scale)
        return centred

    def _similarity(self, z: Vectors, c: Vectors) -> int:
        dots = np.einsum("ij,ij->i", z, c).astype(np.float64)
        return int(np.rint(dots / (_UNIT * self.targets.scale)).astype(np.int64).sum())


def _dots(x: Vectors, y: Vectors) -> Tensor:
    # By torch, whose threads can be limited to one.
    return torch.from_numpy(x) @ torch.from_numpy(y).T
