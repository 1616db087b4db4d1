"""Choose the solver that fits the problem, by what was measured."""

from typing import Literal

import torch
from torch import Tensor

from natlib.component import register
from natlib.runtime.log import logger
from natlib.solvers.auction import Auction
from natlib.solvers.base import Matching, Solution, Solver, check_points
from natlib.solvers.blockwise import Blockwise
from natlib.solvers.greedy import Greedy
from natlib.solvers.lapjv import Lapjv
from natlib.solvers.problem import Problem
from natlib.solvers.sparse import Sparse

__all__ = ["Auto"]


# Rows from which the fast solver on a host is faster than the exact one.
_LARGE = 512
# Rows from which candidates and a proof were faster than lapjv on every kind of features, or as
# fast: 0.6 to 1.0 of its time at 4,096, 0.7 to 1.5 at 2,048, three and four seeds.
_SPARSE = 4096
# Largest cost matrix that an auction may hold several copies of on an accelerator, and above which
# a fast matching of points does not compute it: 16,384 rows and columns.
_FITS = 2**28

_said: set[tuple[str, int, int, str, str]] = set()


@register
class Auto(Solver):
    """Chooses a solver by the size of the problem, its device and the quality requested.

    The log says once for each size which one it is; :meth:`choose` returns it.
    """

    kind: Literal["auto"] = "auto"
    quality: Literal["exact", "fast"] = "exact"
    """``exact``: the cheapest matching. ``fast``: one that is nearly as cheap, where the cheapest
    takes long."""

    @property
    def exact(self) -> bool:
        return self.quality == "exact"

    def choose(self, rows: int, columns: int, device: torch.device | str = "cpu") -> Solver:
        """The solver for so many rows and columns of points on a device.

        Exact matchings are found on the host, wherever the costs lie: by ``lapjv``, and for
        square problems from 4,096 rows without a mask by ``sparse``. Of the fast ones,
        ``auction`` leaves costs on an accelerator as long as a stack of them fits; on a host
        ``greedy`` at prices takes a third of the time of ``lapjv`` from a few thousand rows. Wide
        problems are matched exactly on a host, which takes little longer than centring them.
        Points with more than 2^28 pairs are matched ``blockwise``, without the costs of all pairs;
        where these are given, or there is a mask, a solver for costs on the host takes over.
        """
        if self.quality == "fast" and rows * columns > _FITS:
            return Blockwise(start="sliced")
        return self._of_costs(rows, columns, device, masked=False)

    def _of_costs(self, b: int, k: int, device: torch.device | str, masked: bool) -> Solver:
        if self.quality == "fast" and torch.device(device).type != "cpu" and b * k <= _FITS:
            return Auction()
        if self.quality == "fast" and b == k and b >= _LARGE:
            return Greedy(order="priced")
        if self.quality == "exact" and b == k and b >= _SPARSE and not masked:
            return Sparse()
        return Lapjv()

    def runs_on_host(self, rows: int, columns: int, device: torch.device | str) -> bool:
        return self.choose(rows, columns, device).runs_on_host(rows, columns, device)

    def _solve(self, problem: Problem) -> Solution:
        b, k, device = problem.rows, problem.columns, problem.cost.device
        chosen = self._of_costs(b, k, device, masked=problem.allowed is not None)
        self._announce(chosen, b, k, device)
        return chosen._solve(problem)

    def match(self, z: Tensor, c: Tensor, allowed: Tensor | None = None) -> Matching:
        check_points(z, c)
        b, k = z.shape[-2], c.shape[-2]
        if allowed is None:
            chosen = self.choose(b, k, z.device)
        else:
            chosen = self._of_costs(b, k, z.device, masked=True)
        self._announce(chosen, b, k, z.device)
        return chosen.match(z, c, allowed)._replace(exact=self.exact)

    def _announce(self, chosen: Solver, b: int, k: int, device: torch.device) -> None:
        said = (self.quality, b, k, device.type, chosen.kind)
        if said not in _said:
            _said.add(said)
            logger.info(
                "solver auto (%s): %s matches %d rows with %d columns on %s",
                self.quality, chosen.kind, b, k, device.type,
            )  # fmt: skip
