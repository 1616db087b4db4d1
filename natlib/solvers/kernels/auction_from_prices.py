"""From prices, or an unfinished matching, to a one-to-one matching.

Shapes: p problems, b rows, k columns.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from natlib.solvers.base import Solution
from natlib.solvers.kernels.bidding import Auctioneer
from natlib.solvers.kernels.dual_bound import lower_bound
from natlib.solvers.kernels.mask import complete
from natlib.solvers.kernels.normalise_costs import Even
from natlib.solvers.kernels.reverse_auction import offer_unsold
from natlib.solvers.problem import Problem

__all__ = ["completed", "deal"]

# Ties are broken by this much of a typical difference: without it, rows with equal costs
# all bid for the same column, and a constant matrix takes b rounds.
_RIPPLE = 1e-5


def deal(
    problem: Problem,
    even: Even,
    phases: Sequence[float],
    rounds: int = 20_000,
    price: Tensor | None = None,
) -> Solution:
    """Deal columns to rows by auction.

    Args:
        problem: what is solved.
        even: its costs, evened out; they are written to.
        phases: epsilon of each phase, in the unit of the even costs.
        rounds: of bidding at most.
        price: [p, k], the prices that the auction starts from, for the even costs; by default 0.
    """
    cost, allowed = problem.cost, problem.allowed
    even.cost.add_(_ripples(even.cost))
    auctioneer = Auctioneer(even.cost)
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
        columns = completed(columns, allowed, cost.shape[2])
    paid = cost.gather(-1, columns.unsqueeze(-1)).squeeze(-1).sum(-1, dtype=torch.float64)
    bound = lower_bound(cost, even.prices(auctioneer.prices()), allowed)
    gap = (paid - bound).clamp_min(0).nan_to_num(torch.inf)
    return Solution(columns, gap, auctioneer.rounds, converged)


def completed(columns: Tensor, allowed: Tensor | None, width: int) -> Tensor:
    """Give rows without a column one that is allowed.

    Args:
        columns: int64[p, b], -1 where a row has none.
        allowed: bool[p, b, k], with a matching in every problem; None for all pairs.
        width: k, the number of columns.

    Returns:
        int64[p, b], one-to-one and allowed; rows that had a column keep it where they can.
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
    """Small numbers [p, b, k], different for pairs that are neighbours.

    Rows and columns are numbered by their norms, so that the numbers move with them.
    """
    rows, columns = (
        (torch.linalg.vector_norm(cost, dim=dim).argsort(stable=True).argsort() * step).frac()
        for dim, step in ((2, 0.7548776662466927), (1, 0.5698402909980532))
    )
    ripples: Tensor = (rows.unsqueeze(2) + columns.unsqueeze(1)).frac()
    return _RIPPLE * ripples.to(cost.dtype)
