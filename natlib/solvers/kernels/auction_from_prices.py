"""Turn prices, or an incomplete matching, into a one-to-one matching.

Shapes: p problems, b rows, k columns.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from natlib.solvers.base import Solution
from natlib.solvers.kernels.bidding import Auctioneer
from natlib.solvers.kernels.dual_bound import proven_gap
from natlib.solvers.kernels.mask import complete
from natlib.solvers.kernels.normalise_costs import NormalisedCosts
from natlib.solvers.kernels.reverse_auction import offer_unsold
from natlib.solvers.problem import Problem

__all__ = ["auction_from_prices", "complete_matchings"]

# Ties are broken by this share of a typical difference: without it, rows with equal costs
# all bid for the same column, and a constant matrix takes b rounds.
_RIPPLE = 1e-5


def auction_from_prices(
    problem: Problem,
    normalised: NormalisedCosts,
    phases: Sequence[float],
    rounds: int = 20_000,
    price: Tensor | None = None,
) -> Solution:
    """Match by an auction.

    Args:
        problem: what is solved.
        normalised: its costs, normalised; they are overwritten.
        phases: epsilon of each phase, in the unit of the normalised costs.
        rounds: of bidding at most.
        price: [p, k], the prices that the auction starts from, for the normalised costs; by
            default 0.
    """
    cost, allowed = problem.cost, problem.allowed
    normalised.cost.add_(_ripples(normalised.cost))
    auctioneer = Auctioneer(normalised.cost)
    if price is not None:
        auctioneer.price[:-1] = price.reshape(-1)
    converged = True
    for epsilon in phases:
        free = auctioneer.release(epsilon)
        converged = converged and auctioneer.sell(free, epsilon, rounds)
    if converged and cost.shape[1] < cost.shape[2]:
        converged = offer_unsold(auctioneer, phases[-1], rounds)
    columns = auctioneer.matched()
    if not converged:
        columns = complete_matchings(columns, allowed, cost.shape[2])
    gap = proven_gap(cost, columns, normalised.prices(auctioneer.prices()), allowed)
    return Solution(columns, gap, auctioneer.rounds, converged)


def complete_matchings(columns: Tensor, allowed: Tensor | None, width: int) -> Tensor:
    """Give every unmatched row a column that is allowed.

    Args:
        columns: int64[p, b], -1 for an unmatched row.
        allowed: bool[p, b, k], with a matching in every problem; None for all pairs.
        width: k, the number of columns.

    Returns:
        int64[p, b], one-to-one and allowed; matched rows keep their columns where possible.
    """
    host = columns.cpu().numpy().copy()
    for problem in np.flatnonzero((host < 0).any(axis=1)):
        if allowed is None:
            free = np.setdiff1d(np.arange(width), host[problem])
            rows = np.flatnonzero(host[problem] < 0)
            host[problem, rows] = free[: len(rows)]
        else:
            host[problem] = complete(host[problem], allowed[problem].cpu().numpy())
    return torch.from_numpy(host).to(columns.device)


def _ripples(cost: Tensor) -> Tensor:
    """Small numbers [p, b, k] that differ between neighbouring pairs.

    Rows and columns are ranked by their norms, so that a permutation of them permutes the numbers.
    """
    rows, columns = (
        (torch.linalg.vector_norm(cost, dim=dim).argsort(stable=True).argsort() * step).frac()
        for dim, step in ((2, 0.7548776662466927), (1, 0.5698402909980532))
    )
    ripples: Tensor = (rows.unsqueeze(2) + columns.unsqueeze(1)).frac()
    return _RIPPLE * ripples.to(cost.dtype)
