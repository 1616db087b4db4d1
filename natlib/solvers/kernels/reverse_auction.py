"""The end of an auction with more columns than rows: unsold columns lower their prices.

Shapes: p problems, b rows, k columns.
"""

import torch

from natlib.solvers.kernels.bidding import Auctioneer

__all__ = ["offer_unsold"]


def offer_unsold(auctioneer: Auctioneer, epsilon: float, rounds: int) -> bool:
    """Let unsold columns bid for rows until none of them is dearer than any sold one.

    A matching of all rows at prices is only optimal if no unsold column has a higher price than
    a sold one. A column lowers its price until a row takes it, or down to the lowest price
    of the sold ones, at which it may stay unsold (Bertsekas & Castanon 1992, section 4).

    Args:
        auctioneer: every row has a column; gets the new prices and owners.
        epsilon: as in the auction before.
        rounds: at most, including those before.

    Returns:
        Whether it finished.
    """
    p, b, k = auctioneer.problems, auctioneer.rows, auctioneer.columns
    column = auctioneer.matched()
    price = auctioneer.prices().clone()
    cost_PBK = auctioneer.cost.view(p, b, k)
    sold = price.gather(1, column)
    lowest = sold.amin(1)
    reverse = Auctioneer(cost_PBK.mT.contiguous(), outside=-lowest)
    # The price of a row is its profit: minus the cost plus price of its column.
    gain = -(cost_PBK.gather(-1, column.unsqueeze(-1)).squeeze(-1) + sold)
    reverse.price[:-1] = gain.view(-1)
    everyone = torch.arange(p, device=price.device)[:, None]
    reverse.owner[:-1] = (everyone * k + column).view(-1)
    unsold = torch.ones_like(price, dtype=torch.bool).scatter_(1, column, False)
    too_dear = unsold & (price > lowest[:, None])
    reverse.rounds = auctioneer.rounds
    finished = reverse.sell(too_dear.view(-1).nonzero().squeeze(1), epsilon, rounds)
    auctioneer.rounds = reverse.rounds

    owned = reverse.owner[:-1].view(p, b) % k
    cost_B = cost_PBK.gather(-1, owned.unsqueeze(-1)).squeeze(-1)
    price = torch.minimum(price, lowest[:, None])
    price.scatter_(1, owned, -reverse.prices() - cost_B)
    auctioneer.price[:-1] = price.view(-1)
    auctioneer.owner.fill_(-1)
    rows = everyone * b + torch.arange(b, device=price.device)
    auctioneer.owner[(everyone * k + owned).view(-1)] = rows.view(-1)
    return finished
