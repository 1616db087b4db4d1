"""Nearly optimal matching of a large problem, one block at a time."""

from typing import Literal

import numpy as np
from pydantic import Field

from natlib.component import register
from natlib.solvers.kernels.block_problem import BlockProblem, Index
from natlib.solvers.kernels.partition import balanced_groups
from natlib.solvers.kernels.points import Points, location_hash
from natlib.solvers.local import LocalSolver
from natlib.solvers.sliced import match_leaves

__all__ = ["Blockwise"]


@register
class Blockwise(LocalSolver):
    """In each pass, pairs that lie near each other form blocks, each of which is matched exactly.
    The cost never rises from pass to pass.

    A pair lies at its point or, as often, at its candidate: so points meet the candidates near
    them. Blocks are solved in parallel, in threads; no costs are held but those of the blocks
    in work.
    """

    kind: Literal["blockwise"] = "blockwise"
    block: int = Field(default=512, ge=2)
    """Candidates in a block at most."""
    passes: int = Field(default=8, ge=1)
    """How many passes there are at most."""
    tolerance: float = Field(default=2e-3, ge=0)
    """Stop when a pass gains less than this share of what all passes have gained."""
    start: Literal["given", "sliced"] = "given"
    """What the first pass starts from. ``given``: row i has column i, so that a current
    matching is never made worse; the answer depends on the order of rows and columns.
    ``sliced``: one division of points and candidates; the order of points then matters no more
    than rounding does, which later passes amplify."""

    @property
    def part(self) -> int:
        return self.block

    def _match_parts(
        self, points: Points, problem: BlockProblem, rng: np.random.Generator
    ) -> tuple[Index, int, bool]:
        count = -(-problem.width // self.block)
        gained = 0.0
        if self.start == "sliced":
            columns = match_leaves(points, problem, self.block, rng)
        else:
            columns = problem.feasible(np.arange(len(points.z)))
        for number in range(self.passes):
            if number == 0:
                # Where nothing is matched yet, random blocks gain the most.
                order = np.argsort(location_hash(points.c, rng), kind="stable")
                blocks = np.array_split(order, count)
            else:
                anchors = points.sample_rows(count, rng)
                blocks = balanced_groups(points.places(columns, rng) @ anchors.T)
            columns, gain = problem.improve(columns, blocks)
            gained += gain
            if gain <= self.tolerance * gained:
                return columns, number + 1, True
        return columns, self.passes, False
