"""One pass over all samples: pairs of samples and slots in groups, groups in blocks.

Shapes: s samples, g of them in a group, d dimensions, a anchors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from natlib.assignment.reassignment.features import FeatureRows, TargetRows
from natlib.solvers import Solver
from natlib.solvers.kernels.blocks import grouped

__all__ = ["Allowed", "Dealer", "Dealt"]

Allowed = Callable[[NDArray[np.int64], NDArray[np.int64], int], NDArray[np.bool_] | None]
"""Which of g samples may own which of g slots of a layer, bool[g, g]; None for all. Called with
samples, slots (as the layer's permutation numbers them) and layer, by several threads."""

# Blocks in a group: so many pairs are held by each thread at a time.
_BLOCKS = 16
# Pairs that are shared out among groups at a time.
_SHARE = 2**16
# Similarities are added up as whole numbers of this size: exactly, in whatever order.
_UNIT = 2.0**-32


@dataclass(frozen=True)
class Dealt:
    """What became of a group.

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
class Dealer:
    """Shares pairs out and deals slots again. All it does is a function of its arguments.

    A pair of a sample and its slot goes where the sample belongs or, as often, where the
    target belongs: so samples meet the targets near them, and slots that others hold come
    along. In the first pass the blocks are random.

    Attributes:
        features: of the samples.
        targets: of the slots.
        solver: matches a block.
        block: pairs in a block.
        seed: of anchors, roles and random blocks.
        allowed: pairs that may be matched; each sample may own the slot that it has.
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
    def groups(self) -> int:
        """How many groups a pass has."""
        return max(1, round(len(self.features.index) / (_BLOCKS * self.block)))

    def shares(self) -> int:
        """Parts in which samples are shared out among groups; see :meth:`share`."""
        return -(-len(self.features.index) // _SHARE)

    def share(
        self, slots: NDArray[np.int64], turn: int, layer: int, part: int
    ) -> list[NDArray[np.int64]]:
        """Positions int64 for each group, of the samples of one part.

        Args:
            slots: int64[s], what they own now.
            turn: number of the pass.
            layer: of the slots.
            part: of :meth:`shares`; every so-maniest sample.
        """
        position = np.arange(part, len(slots), self.shares())
        rng = np.random.default_rng((self.seed, turn, layer, 0, part))
        count = self.groups
        if turn == 0 or count == 1 or len(position) < count:
            return np.array_split(rng.permutation(position), count)
        # All parts have the same anchors.
        anchor = np.random.default_rng((self.seed, turn, layer, 1)).choice(
            len(slots), count, replace=False
        )
        place = self.features(position)
        by_target = np.flatnonzero(rng.random(len(position)) < 0.5)
        place[by_target] = self._centred(self.targets(slots[position[by_target]], layer))
        return [position[group] for group in grouped(_dots(place, self.features(np.sort(anchor))))]

    def deal(
        self,
        position: NDArray[np.int64],
        slots: NDArray[np.int64],
        turn: int,
        layer: int,
        group: int,
    ) -> Dealt:
        """Match every block of a group; no block gets worse.

        Args:
            position: int64[g], the samples.
            slots: int64[g], what they own.
            turn: number of the pass.
            layer: of the slots.
            group: its number.
        """
        rng = np.random.default_rng((self.seed, turn, layer, 2, group))
        z, c = self.features(position), self.targets(slots, layer)
        total = c.sum(axis=0, dtype=np.float64)
        square = float(np.einsum("ij,ij->i", c, c).sum(dtype=np.float64))
        owner = np.arange(len(position))
        count = -(-len(position) // self.block)
        if turn == 0 or count == 1:
            blocks = np.array_split(rng.permutation(len(position)), count)
        else:
            place = np.where(rng.random((len(position), 1)) < 0.5, z, self._centred(c))
            anchor = rng.choice(len(position), count, replace=False)
            blocks = grouped(_dots(place, z[anchor]))
            del place
        before = after = 0
        for block in blocks:
            z_b, c_b = z[block], c[block]
            cost = torch.from_numpy(_dots(z_b, c_b)).neg_()
            mask = None
            if self.allowed is not None:
                mask = self.allowed(self.features.index[position[block]], slots[block], layer)
            allowed = None if mask is None else torch.from_numpy(mask)
            columns = self.solver.solve(cost, allowed).columns.numpy()
            old, new = self._similarity(z_b, c_b), self._similarity(z_b, c_b[columns])
            before += old
            after += max(old, new)
            if new > old:
                owner[block] = block[columns]
        return Dealt(slots[owner], before, after, total, square)

    def _centred(self, c: NDArray[np.float32]) -> NDArray[np.float32]:
        centred: NDArray[np.float32] = (c - self.targets.mean) / np.float32(self.targets.scale)
        return centred

    def _similarity(self, z: NDArray[np.float32], c: NDArray[np.float32]) -> int:
        dots = np.einsum("ij,ij->i", z, c).astype(np.float64)
        return int(np.rint(dots / (_UNIT * self.targets.scale)).astype(np.int64).sum())


def _dots(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    # By torch, whose threads can be told to be one.
    dots: NDArray[np.float32] = (torch.from_numpy(x) @ torch.from_numpy(y).T).numpy()
    return dots
