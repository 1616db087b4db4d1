"""Nearly optimal matching by auction, on any device.

Shapes: p problems, b rows, k columns.
"""

from typing import ClassVar, Literal

from pydantic import Field

from natlib.component import Condition, register
from natlib.solvers.base import Solution, Solver
from natlib.solvers.kernels.auction_from_prices import auction_from_prices
from natlib.solvers.kernels.normalise_costs import normalise_costs
from natlib.solvers.problem import Problem

__all__ = ["Auction"]


@register
class Auction(Solver):
    """Rows bid for columns (Bertsekas 1988), all free rows of all problems at once.

    The matching costs at most ``b * epsilon`` typical differences more than the best one; the
    reported ``gap`` comes from the final prices and is mostly far smaller. Epsilon
    falls from phase to phase. In a wide problem a column may keep a price from an earlier phase
    and stay unsold; such columns then bid for rows (Bertsekas & Castanon 1992, "A
    forward/reverse auction algorithm for asymmetric assignment problems").
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("scaling",),
            on=("start", "epsilon"),
            holds=lambda start, epsilon: start > epsilon,
            remedy="set {start} above {epsilon}",
        ),
    )

    kind: Literal["auction"] = "auction"
    epsilon: float = Field(default=0.02, ge=1e-4)
    """How much worse than its best column the column of a row may be, at the final prices; in
    units of the root mean square of the costs after rows and columns are centred."""
    start: float = Field(default=0.1, gt=0)
    """Epsilon of the first phase, in the same unit; not above ``epsilon`` there is one phase."""
    scaling: float = Field(default=5.0, gt=1)
    """Factor that epsilon is divided by from phase to phase."""
    rounds: int = Field(default=20_000, ge=1)
    """Rounds of bidding after which the remaining rows get any free column, and the
    matching is reported as not converged."""

    @property
    def exact(self) -> bool:
        return False

    def _solve(self, problem: Problem) -> Solution:
        normalised = normalise_costs(problem.cost, problem.allowed)
        return auction_from_prices(problem, normalised, self._phases(), self.rounds)

    def _phases(self) -> list[float]:
        phases = [self.epsilon]
        while phases[0] * self.scaling <= self.start:
            phases.insert(0, phases[0] * self.scaling)
        return phases
