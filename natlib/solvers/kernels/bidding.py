"""One phase of an auction: rows bid for columns until every row has one.

Shapes: p problems, b rows, k columns, f rows that are free.

Rows and columns of all problems are numbered consecutively: row ``i`` of problem ``q`` is
``q * b + i``, column ``j`` is ``q * k + j``. The last index is a sentinel: unassigned.
"""

import torch
from torch import Tensor

__all__ = ["Auctioneer"]

# What a row bids above the price of its only column; it may outbid others, and be outbid.
_ONLY = 1e3
# Costs that fit into a processor's cache.
_CACHE = 2**18


class Auctioneer:
    """Prices and owners of the columns of a stack of problems, updated by rounds of bidding.

    In a round every free row bids for the column whose cost plus price is lowest, by the margin to
    the second best plus epsilon. The highest bid wins, and the row that had the column becomes
    free again (Bertsekas 1988, the Jacobi version). Everything is computed on the device.

    Args:
        cost: [p, b, k]; infinite where a pair is not allowed.
        outside: [p], what a row may pay for staying free; None if every row has to be matched.
            With this there may be fewer columns than rows.
    """

    def __init__(self, cost: Tensor, outside: Tensor | None = None) -> None:
        self.outside = outside
        self.problems, self.rows, self.columns = cost.shape
        self.cost = cost.view(-1, self.columns)
        everything = self.problems * self.columns
        # The last entry absorbs the writes of losing bids.
        self.price = cost.new_zeros(everything + 1)
        self.owner = torch.full((everything + 1,), -1, dtype=torch.int64, device=cost.device)
        self.rounds = 0

    def matched(self) -> Tensor:
        """int64[p, b], the column of each row in its problem; -1 where it is free."""
        owner = self.owner[:-1]
        column = torch.arange(len(owner), device=owner.device) % self.columns
        unassigned = self.problems * self.rows
        result = owner.new_full((unassigned + 1,), -1)
        result.scatter_(0, torch.where(owner < 0, unassigned, owner), column)
        return result[:-1].view(self.problems, self.rows)

    def prices(self) -> Tensor:
        """[p, k]."""
        return self.price[:-1].view(self.problems, self.columns)

    def release(self, epsilon: float) -> Tensor:
        """Lower the prices of columns whose row would prefer another one by epsilon or more.

        If that makes the row of another column prefer this one, both become free. Without lower
        prices a single free row would have to raise all others, one bid at a time.

        Returns:
            int64[f], the free rows.
        """
        column = self.matched().view(-1)
        row = torch.arange(len(column), device=column.device)
        has = column >= 0
        column = column.clamp_min(0)
        slot = row // self.rows * self.columns + column
        unassigned = len(self.price) - 1
        own = self.cost.gather(1, column[:, None]).squeeze(1)
        for last in (False, True):
            regret = own + self.price[slot] - self._offers(row)[0] - epsilon
            prefers_other = has & (regret > 0)
            target = torch.where(prefers_other, slot, unassigned)
            if last:
                self.owner[target] = -1
            else:
                # By a little more, so that rounding does not free the row.
                self.price[target] = self.price[slot] - regret - 0.5 * epsilon
        return row[prefers_other | ~has]

    def sell(self, free: Tensor, epsilon: float, rounds: int) -> bool:
        """Run rounds of bidding until no row is free.

        Args:
            free: int64[f], the free rows.
            epsilon: by how much a bid exceeds the margin to the second best.
            rounds: at most, counted over all phases.

        Returns:
            Whether every row has a column.
        """
        patience = _rounds_between_checks(free.device)
        while len(free):
            for _ in range(patience):
                if self.rounds >= rounds:
                    return False
                free = self._round(free, epsilon)
                self.rounds += 1
            free = free[free >= 0]
        return True

    def _round(self, free: Tensor, epsilon: float) -> Tensor:
        """One round; in the list of free rows, a winner is replaced by the row it displaced."""
        row = free.clamp_min(0)
        least, best, second = self._offers(row)
        slot = row // self.rows * self.columns + best
        more = torch.where(torch.isfinite(second), second - least, _ONLY)
        more = more + epsilon
        if self.outside is not None:
            outside = self.outside[row // self.rows]
            more = torch.minimum(more, outside - least)
            free = torch.where(least >= outside - epsilon, -1, free)
        idle = free < 0
        bid = torch.where(idle, -torch.inf, self.price[slot] + more)
        highest = torch.full_like(self.price, -torch.inf).scatter_reduce_(0, slot, bid, "amax")
        equal = ~idle & (bid == highest[slot])
        unassigned = self.problems * self.rows
        named = torch.where(equal, row, unassigned)
        first = torch.full_like(self.owner, unassigned).scatter_reduce_(0, slot, named, "amin")
        wins = equal & (first[slot] == row)
        target = torch.where(wins, slot, len(self.owner) - 1)
        displaced = self.owner[target]
        self.owner[target] = row
        self.price[target] = bid
        self.owner[-1] = -1
        return torch.where(wins, displaced, free)

    def _offers(self, row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The lowest cost plus price of each row, its column, and the second lowest."""
        size = len(row) if row.device.type != "cpu" else max(1, _CACHE // self.columns)
        parts = []
        for few in row.split(max(size, 1)):
            values = self.cost[few]
            values += self.prices()[few // self.rows]
            least, best = values.min(-1)
            values.scatter_(1, best.unsqueeze(1), torch.inf)
            parts.append((least, best, values.amin(-1)))
        least, best, second = (torch.cat(column) for column in zip(*parts, strict=True))
        return least, best, second


def _rounds_between_checks(device: torch.device) -> int:
    """Rounds between two checks of how many rows are free.

    A check synchronises an accelerator; on a CPU it is free, and fewer rows save time.
    """
    return 1 if device.type == "cpu" else 8
