"""The matching problem and what every solver of it returns."""

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.component import Component, Registry
from natlib.errors import MatchingError

__all__ = ["Matching", "Solver", "pairwise_cost"]


class Matching(NamedTuple):
    """A one-to-one matching of b rows with k >= b columns.

    Attributes:
        columns: int64[..., b], the column of each row; no column twice.
        cost: float64[...], the sum of the costs of the matched pairs.
        exact: whether no other matching costs less, up to rounding: two millionths of
            the largest cost for each pair, less for costs in float64.
    """

    columns: Tensor
    cost: Tensor
    exact: bool


def pairwise_cost(z: Tensor, c: Tensor) -> Tensor:
    """Half the squared distances between points and candidates, up to a row constant.

    The term ``|z|^2`` is left out: it shifts whole rows and so changes no matching.

    Args:
        z: Tensor[..., b, d].
        c: Tensor[..., k, d].

    Returns:
        float32 (or float64, if given) Tensor[..., b, k], whatever the autocast dtype.
    """
    with torch.autocast(z.device.type, enabled=False):
        if z.dtype != torch.float64:
            z, c = z.float(), c.float()
        return 0.5 * c.square().sum(-1).unsqueeze(-2) - z @ c.transpose(-1, -2)


class Solver(Component):
    """Deals k candidates to b rows, one-to-one, at the lowest cost it can find.

    Adding a constant to a row or a column, or scaling all costs by a positive
    number, changes no solver's answer beyond rounding.
    """

    registry: ClassVar[Registry[Any]] = Registry("solver", "natlib.solvers")
    exact: ClassVar[bool]

    @abstractmethod
    def solve_one(self, cost: NDArray[Any]) -> NDArray[np.int64]:
        """Columns int64[b] for one finite, C-contiguous cost matrix [b, k], k >= b >= 1."""

    @torch.no_grad()
    def solve(self, cost: Tensor) -> Matching:
        """Match every matrix of a stack; the stack is solved in parallel threads.

        Args:
            cost: Tensor[..., b, k] with k >= b, finite; half precision is widened
                to float32.

        Returns:
            A matching whose tensors lie on the device of ``cost``.

        Raises:
            MatchingError: k < b, or a cost that is NaN or infinite (names the row).
        """
        rows, columns = _checked_shape(cost)
        wide = cost.detach() if cost.dtype == torch.float64 else cost.detach().float()
        host = wide.cpu().contiguous()
        _check_finite(host)
        if cost.numel() == 0:
            nothing = torch.zeros(cost.shape[:-1], dtype=torch.int64, device=cost.device)
            return Matching(nothing, nothing.sum(-1, dtype=torch.float64), self.exact)
        problems = host.reshape(-1, rows, columns).numpy()
        # Solvers release the interpreter lock, so threads run side by side.
        threads = min(len(problems), torch.get_num_threads())
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                solved = list(pool.map(self.solve_one, problems))
        else:
            solved = [self.solve_one(problem) for problem in problems]
        chosen = torch.from_numpy(np.stack(solved)).view(cost.shape[:-1])
        total = host.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).sum(-1, dtype=torch.float64)
        return Matching(chosen.to(cost.device), total.to(cost.device), self.exact)

    def match(self, z: Tensor, c: Tensor) -> Matching:
        """Match points Tensor[..., b, d] with candidates Tensor[..., k, d].

        The cost of a pair is :func:`pairwise_cost`; leading dimensions broadcast.
        """
        return self.solve(pairwise_cost(z, c))


def _checked_shape(cost: Tensor) -> tuple[int, int]:
    if cost.ndim < 2:
        raise MatchingError(f"costs need the shape [..., b, k], got {list(cost.shape)}")
    rows, columns = cost.shape[-2:]
    if columns < rows:
        raise MatchingError(
            f"{rows} rows cannot own one column each of only {columns}; "
            "give at least as many candidates as samples"
        )
    return rows, columns


def _check_finite(cost: Tensor) -> None:
    # One sum finds every NaN and infinity; only then is the row looked for.
    if torch.isfinite(cost.sum(dtype=torch.float64)):
        return
    bad = ~torch.isfinite(cost).all(-1)
    if bad.any():
        where = bad.nonzero()[0].tolist()
        problem = f" of problem {where[:-1]}" if len(where) > 1 else ""
        raise MatchingError(
            f"the costs of row {where[-1]}{problem} hold NaN or infinity; "
            "check the features that they were made from"
        )
