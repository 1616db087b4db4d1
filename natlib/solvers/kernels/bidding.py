"""One phase of an auction: rows bid for columns until every row has one.

Shapes: p problems, b rows, k columns, f rows that are free.

Rows and columns of all problems are numbered through: row ``i`` of problem ``q`` is
``q * b + i``, column ``j`` is ``q * k + j``. A number more stands for nobody.
"""

import torch
from torch import Tensor

__all__ = ["Auctioneer"]

# What a row bids over the price of its only column; others may outbid it, and it them.
_ONLY = 1e3
# Entries of a block of costs that a processor's cache holds.
_CACHE = 2**18


class Auctioneer:
    """Prices and owners of the columns of a stack of problems, and how they change.

    In a round every free row bids for the column that costs least with its price on
    top, as much as makes the second best as good, and epsilon more. The highest bid wins, the
    row that had the column is free again (Bertsekas 1988, the Jacobi version). All
    of it is arithmetic on the device.

    Args:
        cost: [p, b, k]; infinite where a pair is not allowed.
        outside: [p], what a row may pay for staying free; None if it must not. With this
            there may be fewer columns than rows.
    """

    def __init__(self, cost: Tensor, outside: Tensor | None = None) -> None:
        self.outside = outside
        self.problems, self.rows, self.columns = cost.shape
        self.cost = cost.view(-1, self.columns)
        everything = self.problems * self.columns
        # The last entry takes what losers write.
        self.price = cost.new_zeros(everything + 1)
        self.owner = torch.full((everything + 1,), -1, dtype=torch.int64, device=cost.device)
        self.rounds = 0

    def matched(self) -> Tensor:
        """int64[p, b], the column of each row in its problem; -1 where it is free."""
        owner = self.owner[:-1]
        column = torch.arange(len(owner), device=owner.device) % self.columns
        nobody = self.problems * self.rows
        result = owner.new_full((nobody + 1,), -1)
        result.scatter_(0, torch.where(owner < 0, nobody, owner), column)
        return result[:-1].view(self.problems, self.rows)

    def prices(self) -> Tensor:
        """[p, k]."""
        return self.price[:-1].view(self.problems, self.columns)

    def release(self, epsilon: float) -> Tensor:
        """Lower prices at which rows would rather have another column, by epsilon or more.

        Where that draws away the row of another column, both are free afterwards. Without the
        lower prices a single free row would have to raise all others, a bid at a time.

        Returns:
            int64[f], the free rows.
        """
        column = self.matched().view(-1)
        row = torch.arange(len(column), device=column.device)
        has = column >= 0
        column = column.clamp_min(0)
        slot = row // self.rows * self.columns + column
        nobody = len(self.price) - 1
        own = self.cost.gather(1, column[:, None]).squeeze(1)
        for last in (False, True):
            regret = own + self.price[slot] - self._offers(row)[0] - epsilon
            unhappy = has & (regret > 0)
            target = torch.where(unhappy, slot, nobody)
            if last:
                self.owner[target] = -1
            else:
                # By a bit more, so that rounding does not set the row free.
                self.price[target] = self.price[slot] - regret - 0.5 * epsilon
        return row[unhappy | ~has]

    def sell(self, free: Tensor, epsilon: float, rounds: int) -> bool:
        """Hold rounds until no row is free.

        Args:
            free: int64[f], the free rows.
            epsilon: what a bid is above the least that makes sense.
            rounds: how many there may be, counted over all phases.

        Returns:
            Whether every row has a column.
        """
        patience = _looks(free.device)
        while len(free):
            for _ in range(patience):
                if self.rounds >= rounds:
                    return False
                free = self._round(free, epsilon)
                self.rounds += 1
            free = free[free >= 0]
        return True

    def _round(self, free: Tensor, epsilon: float) -> Tensor:
        """One round; a row in the list that won gives its place to the row that it drove out."""
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
        nobody = self.problems * self.rows
        named = torch.where(equal, row, nobody)
        first = torch.full_like(self.owner, nobody).scatter_reduce_(0, slot, named, "amin")
        wins = equal & (first[slot] == row)
        target = torch.where(wins, slot, len(self.owner) - 1)
        driven_out = self.owner[target]
        self.owner[target] = row
        self.price[target] = bid
        self.owner[-1] = -1
        return torch.where(wins, driven_out, free)

    def _offers(self, row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the best column costs a row, price included, which it is, and the second best."""
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


def _looks(device: torch.device) -> int:
    """Rounds between two looks at how many rows are free.

    A look makes an accelerator wait; on a CPU it costs nothing, and a row less saves time.
    """
    return 1 if device.type == "cpu" else 8
