"""Nearly optimal matching of a large pool, a block at a time."""

from typing import Literal

import numpy as np
from pydantic import Field

from natlib.component import register
from natlib.solvers.kernels.block_problem import Dealing, Rows, dice
from natlib.solvers.kernels.blocks import grouped
from natlib.solvers.local import LocalSolver
from natlib.solvers.sliced import sliced

__all__ = ["Blockwise"]


@register
class Blockwise(LocalSolver):
    """Pairs that are near each other come together in blocks, each of which is matched exactly;
    then again, with other blocks. The cost never rises from pass to pass.

    A pair goes where its point belongs or, as often, where its candidate belongs: so points
    meet the candidates near them. Blocks are solved side by side, in threads; each holds no
    more costs than those of its block.
    """

    kind: Literal["blockwise"] = "blockwise"
    block: int = Field(default=512, ge=2)
    """Candidates in a block at most."""
    passes: int = Field(default=8, ge=1)
    """How many passes there are at most."""
    tolerance: float = Field(default=2e-3, ge=0)
    """Stop when a pass gains less than this part of what all passes have gained."""
    start: Literal["given", "sliced"] = "given"
    """What the first pass starts from. ``given``: row i has column i, so that a matching in
    force is never made worse; so the answer depends on the order of rows and columns.
    ``sliced``: one division of points and candidates; the order of points then matters no more
    than rounding does, though pass after pass makes more of that."""

    @property
    def part(self) -> int:
        return self.block

    def deal(self, dealing: Dealing, rows: int, rng: np.random.Generator) -> tuple[Rows, int, bool]:
        count = -(-dealing.size // self.block)
        gained = 0.0
        if self.start == "sliced":
            columns = sliced(dealing, rows, self.block, rng)
        else:
            columns = dealing.feasible(np.arange(rows))
        for number in range(self.passes):
            if number == 0:
                # Where nothing is matched yet, random blocks gain the most.
                blocks = np.array_split(np.argsort(dice(dealing.c, rng), kind="stable"), count)
            else:
                anchors = dealing.some_rows(count, rng)
                blocks = grouped(dealing.places(columns, rng) @ anchors.T)
            columns, gain = dealing.improve(columns, blocks)
            gained += gain
            if gain <= self.tolerance * gained:
                return columns, number + 1, True
        return columns, self.passes, False
