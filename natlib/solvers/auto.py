"""The solver that fits the problem, by measurement."""

import logging
from typing import Literal

import torch
from torch import Tensor

from natlib.component import register
from natlib.solvers.base import Matching, Solution, Solver
from natlib.solvers.greedy import Greedy
from natlib.solvers.lapjv import Lapjv

__all__ = ["Auto"]

logger = logging.getLogger("natlib")

_said: set[tuple[str, int, int, str, str]] = set()


@register
class Auto(Solver):
    """Chooses a solver by the size of the problem, where it lies and what is asked for.

    It tells the log once which one it chose for a size, and :meth:`choose` says it.
    """

    kind: Literal["auto"] = "auto"
    quality: Literal["exact", "fast"] = "exact"
    """``exact``: the cheapest matching. ``fast``: where that takes long, one that is nearly
    as cheap."""

    @property
    def exact(self) -> bool:
        return self.quality == "exact"

    def choose(self, b: int, k: int, device: torch.device | str = "cpu") -> Solver:
        """The solver for problems of b rows and k columns that lie on a device."""
        if self.quality == "fast" and k > 4096:
            return Greedy()
        return Lapjv()

    def solve_stack(self, cost: Tensor, allowed: Tensor | None) -> Solution:
        return self._announced(cost.shape[-2], cost.shape[-1], cost.device).solve_stack(
            cost, allowed
        )

    def match(self, z: Tensor, c: Tensor, allowed: Tensor | None = None) -> Matching:
        chosen = self._announced(z.shape[-2], c.shape[-2], z.device)
        return chosen.match(z, c, allowed)._replace(exact=self.exact)

    def _announced(self, b: int, k: int, device: torch.device) -> Solver:
        chosen = self.choose(b, k, device)
        said = (self.quality, b, k, device.type, chosen.kind)
        if said not in _said:
            _said.add(said)
            logger.info(
                "solver auto (%s): %s matches %d rows with %d columns on %s",
                self.quality, chosen.kind, b, k, device.type,
            )  # fmt: skip
        return chosen
