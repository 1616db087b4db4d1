"""Nearly optimal matching by auction, on any device.

Shapes: p problems, b rows, k columns.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.solvers.base import Solution, Solver
from natlib.solvers.bidding import Auctioneer
from natlib.solvers.duality import lower_bound
from natlib.solvers.evening import even_out
from natlib.solvers.reverse_auction import offer_unsold
from natlib.solvers.rounding import completed

__all__ = ["Auction"]

# Ties are broken by this much of a typical difference: without it, rows with equal costs
# all bid for the same column, and a constant matrix takes b rounds.
_RIPPLE = 1e-5


@register
class Auction(Solver):
    """Rows bid for columns (Bertsekas 1988), all free rows of all problems at once.

    The matching costs at most ``b * epsilon`` typical differences more than the best one; the
    ``gap`` that is reported comes from the final prices and is mostly far smaller. Epsilon
    falls from phase to phase. In a wide problem a column may keep a price from an earlier phase and
    yet stay unsold; such columns then bid for rows (Bertsekas & Castanon 1992, "A
    forward/reverse auction algorithm for asymmetric assignment problems").
    """

    kind: Literal["auction"] = "auction"
    epsilon: float = Field(default=0.02, ge=1e-4)
    """How much worse than its best column a row's own may be, at the final prices: in units of
    the root mean square of the costs after rows and columns are centred."""
    start: float = Field(default=0.1, gt=0)
    """Epsilon of the first phase, in the same unit; from ``epsilon`` down there is one phase."""
    scaling: float = Field(default=5.0, gt=1)
    """Each phase divides epsilon by this."""
    rounds: int = Field(default=20_000, ge=1)
    """Rounds of bidding after which the rows that are left get any free column, and the
    matching is reported as not converged."""

    @property
    def exact(self) -> bool:
        return False

    def solve_stack(self, cost: Tensor, allowed: Tensor | None) -> Solution:
        even = even_out(cost, allowed)
        even.cost.add_(_ripples(even.cost))
        auctioneer = Auctioneer(even.cost)
        converged = True
        for epsilon in self._phases():
            free = auctioneer.release(epsilon)
            converged = converged and auctioneer.sell(free, epsilon, self.rounds)
        if converged and cost.shape[1] < cost.shape[2]:
            converged = offer_unsold(auctioneer, self.epsilon, self.rounds)
        columns = auctioneer.matched()
        if (columns < 0).any():
            columns = completed(columns, allowed, cost.shape[2])
        paid = cost.gather(-1, columns.unsqueeze(-1)).squeeze(-1).sum(-1, dtype=torch.float64)
        bound = lower_bound(cost, even.prices(auctioneer.prices()), allowed)
        gap = (paid - bound).clamp_min(0).nan_to_num(torch.inf)
        return Solution(columns, gap, auctioneer.rounds, converged)

    def _phases(self) -> list[float]:
        phases = [self.epsilon]
        while phases[0] * self.scaling <= self.start:
            phases.insert(0, phases[0] * self.scaling)
        return phases


def _ripples(cost: Tensor) -> Tensor:
    """Small numbers [p, b, k], different for pairs that are neighbours.

    Rows and columns are numbered by their norms, so that the numbers move with them.
    """
    rows, columns = (
        (torch.linalg.vector_norm(cost, dim=dim).argsort(stable=True).argsort() * step).frac()
        for dim, step in ((2, 0.7548776662466927), (1, 0.5698402909980532))
    )
    return _RIPPLE * (rows.unsqueeze(2) + columns.unsqueeze(1)).frac().to(cost.dtype)
