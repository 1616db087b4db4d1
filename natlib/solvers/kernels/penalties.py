"""Recognise penalties, so that approximate solvers measure costs by the others.

Shapes: p problems, b rows, k columns.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from natlib.solvers.kernels.mask import is_feasible
from natlib.solvers.problem import Problem

__all__ = ["forbid_penalties"]

# Costs of each problem that are looked at, beside the lowest and the highest.
_SAMPLE = 256
# A penalty is farther above the other costs than so many times what all rows together could lose
# among these. Twice is enough for the cheapest matching to avoid it; ordinary costs have no gap of
# that size among small problems either.
_CLEAR = 64


def forbid_penalties(problem: Problem) -> Problem:
    """Turn penalties that no cheapest matching pays into pairs that are not allowed.

    Costs of 1e6 among those below 1 mean "not this pair". An approximate solver that is told so
    measures its steps by the costs that remain; the cheapest matching, and so the gap, stay the
    same. Where not all rows can be matched without a penalty, all pairs stay as they are.

    Args:
        problem: any; the same object is returned if there are no penalties.
    """
    cost, width = problem.cost, problem.rows * problem.columns
    flat = cost.view(len(cost), -1)
    # Steps of the golden ratio, which fall into no pattern of rows and columns.
    places = (torch.arange(_SAMPLE, dtype=torch.float64) * 0.6180339887498949).frac() * width
    low, high = flat.aminmax(dim=1, keepdim=True)
    some = torch.cat([low, flat[:, places.long().to(cost.device)], high], 1)
    limits = _limits(some.double().cpu().numpy(), problem.rows)
    if not np.isfinite(limits).any():
        return problem
    limit = torch.from_numpy(limits).to(cost.device)[:, None, None]
    allowed = torch.ones_like(cost, dtype=torch.bool)
    if problem.allowed is not None:
        allowed = problem.allowed
    cheap = allowed & (cost <= limit)
    found = False
    for number in range(len(cost)):
        if np.isfinite(limits[number]) and _dominates(problem, number, cheap, allowed):
            found = True
        else:
            cheap[number] = allowed[number]
    if not found:
        return problem
    shape = (*problem.stack, *cost.shape[1:])
    return Problem(cost.view(shape), cheap.view(shape))


def _limits(some: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """float64[p], costs above which lie penalties; infinite where there seem to be none."""
    some = np.sort(some, axis=1) / 2  # halved, so that differences are finite
    gaps = np.diff(some, axis=1)
    before = gaps.argmax(axis=1)[:, None]
    gap, last = (np.take_along_axis(x, before, 1)[:, 0] for x in (gaps, some))
    span = last - some[:, 0]
    return np.where((span > 0) & (gap / _CLEAR > rows * span), 2 * last + gap, np.inf)


def _dominates(problem: Problem, number: int, cheap: torch.Tensor, allowed: torch.Tensor) -> bool:
    """Whether one penalty costs more than all rows could lose without one, and none is needed."""
    cost = problem.cost[number].double()
    dear = allowed[number] & ~cheap[number]
    ordinary = cost[cheap[number]]
    if not len(ordinary) or not dear.any():
        return False
    least, most = (float(end) for end in ordinary.aminmax())
    return float(cost[dear].min()) - most > 2 * problem.rows * (most - least) and is_feasible(
        cheap[number].cpu().numpy()
    )
