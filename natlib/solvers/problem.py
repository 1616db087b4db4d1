"""The matching problem: a checked stack of cost matrices.

Shapes: p problems, b rows, k columns.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.errors import MatchingError
from natlib.solvers.kernels.mask import check_feasible

__all__ = ["Problem"]


@dataclass(frozen=True, init=False, eq=False)
class Problem:
    """A stack of matching problems that a solver can rely on.

    Every row of every problem is to be matched with a column of its own, at the lowest sum of
    costs. All checks are made here, so that solvers need none.

    Args:
        cost: Tensor[..., b, k] with k >= b, finite wherever a pair is allowed; half precision is
            widened to float32, whole numbers to float32 or float64, whichever holds all of them.
            It is never written to.
        allowed: bool Tensor that broadcasts to the shape of ``cost``: the pairs that may be
            matched; by default all.

    Attributes:
        cost: float32 or float64 Tensor[p, b, k], contiguous and without gradient; 0 where a pair
            is not allowed.
        allowed: bool[p, b, k] with at least one matching in every problem, or None.
        stack: the leading dimensions that the p problems were given in.

    Raises:
        MatchingError: k < b, a cost that is NaN or infinite, or a mask that no matching
            satisfies (names the row); costs that are complex, no tensor, or whole numbers
            beyond 2^53.
    """

    cost: Tensor
    allowed: Tensor | None
    stack: torch.Size

    def __init__(self, cost: Tensor, allowed: Tensor | None = None) -> None:
        shape = _checked_shape(cost)
        values = cost.detach()
        if values.dtype not in (torch.float32, torch.float64):
            values = _widened(values)
        if allowed is not None:
            allowed = _checked_mask(allowed, cost)
            values = torch.where(allowed, values, 0.0)
            allowed = allowed.reshape(shape)
        _check_finite(values)
        if allowed is not None and cost.numel() > 0:
            check_feasible(allowed, cost.shape[:-2])
        object.__setattr__(self, "cost", values.reshape(shape).contiguous())
        object.__setattr__(self, "allowed", allowed)
        object.__setattr__(self, "stack", cost.shape[:-2])

    @property
    def rows(self) -> int:
        """The number b of rows."""
        return self.cost.shape[1]

    @property
    def columns(self) -> int:
        """The number k of columns."""
        return self.cost.shape[2]


# Whole numbers of these types may need more digits than float32 has.
_LONG = (torch.int32, torch.int64, torch.uint32, torch.uint64)
_WHOLE = 2**53


def _widened(cost: Tensor) -> Tensor:
    """Costs as float32 or float64, none of them rounded."""
    if cost.is_complex():
        raise MatchingError(
            f"costs need an order, and {cost.dtype} has none; give real numbers, such as the "
            "absolute values"
        )
    if cost.dtype not in _LONG:
        return cost.float()
    wide = cost.double()
    if wide.numel() and float(wide.abs().max()) > _WHOLE:
        raise MatchingError(
            f"costs in {cost.dtype} go beyond 2^53, and are no longer told apart there; subtract "
            "what they have in common, or divide them"
        )
    return wide


def _checked_shape(cost: Tensor) -> tuple[int, int, int]:
    if not isinstance(cost, Tensor):
        raise MatchingError(
            f"costs need to be a tensor, got {type(cost).__name__}; convert them with "
            "torch.as_tensor"
        )
    if cost.ndim < 2:
        raise MatchingError(f"costs need the shape [..., b, k], got {list(cost.shape)}")
    rows, columns = cost.shape[-2:]
    if columns < rows:
        raise MatchingError(
            f"{rows} rows cannot have one column each of only {columns}; "
            "give at least as many candidates as samples"
        )
    return cost.shape[:-2].numel(), rows, columns


def _checked_mask(allowed: Tensor, cost: Tensor) -> Tensor:
    if not isinstance(allowed, Tensor) or allowed.dtype != torch.bool:
        got = allowed.dtype if isinstance(allowed, Tensor) else type(allowed).__name__
        raise MatchingError(
            f"a mask of allowed pairs needs the type bool, got {got}; give a bool tensor"
        )
    try:
        return allowed.to(cost.device).broadcast_to(cost.shape)
    except RuntimeError as error:
        raise MatchingError(
            f"a mask of the shape {list(allowed.shape)} does not fit costs {list(cost.shape)}; "
            "give one truth value for each pair"
        ) from error


def _check_finite(cost: Tensor) -> None:
    # One sum finds every NaN and infinity, and in rare cases a sum that is too large for its
    # type; only then is the row looked up.
    if math.isfinite(cost.sum().item()):
        return
    bad = ~torch.isfinite(cost).all(-1)
    if bad.any():
        where = bad.nonzero()[0].tolist()
        problem = f" of problem {where[:-1]}" if len(where) > 1 else ""
        raise MatchingError(
            f"the costs of row {where[-1]}{problem} hold NaN or infinity; "
            "check the features that they were computed from; pairs that must not be matched "
            "go into the mask `allowed`"
        )
