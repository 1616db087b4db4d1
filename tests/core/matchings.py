"""Every solver, and what holds for any matching that any of them returns."""

import torch
from torch import Tensor

from natlib.solvers import Auto, Blockwise, Greedy, Lapjv, Matching, Sliced, Solver
from tests.core.cost_matrices import lowest_cost
from tests.core.families import members

__all__ = ["EVERY", "check_matching", "is_random", "name", "paid", "promised", "slack"]

EVERY: list[Solver] = [
    *members(Solver),
    # Whose other options are other algorithms.
    Greedy(order="rows"),
    Greedy(order="priced"),
    Auto(quality="fast"),
    Lapjv(levels=2**14),
    # Which meet most problems in one part otherwise.
    Sliced(leaf=16),
    Blockwise(block=8),
]


def name(solver: Solver) -> str:
    """The kind, and the options that are not the default ones."""
    options = solver.model_dump(exclude_defaults=True)
    return "-".join([solver.kind, *(str(value) for value in options.values())])


def is_random(solver: Solver) -> bool:
    """Whether the answer may be another one where the problem looks otherwise."""
    return "seed" in type(solver).model_fields


def slack(cost: Tensor, dtype: torch.dtype | None = None) -> float:
    """What rounding may cost an exact solver that was given costs of a type.

    Two millionths of the largest cost a pair; float64 is exact to its own rounding.
    """
    relative = 1e-13 if (dtype or cost.dtype) == torch.float64 else 2e-6
    return relative * float(cost.double().abs().max()) * cost.shape[-2]


def paid(cost: Tensor, columns: Tensor) -> Tensor:
    """float64[...], the sum of the costs of the matched pairs."""
    return cost.detach().double().gather(-1, columns.unsqueeze(-1)).squeeze(-1).sum(-1)


def check_matching(
    solver: Solver,
    matching: Matching,
    cost: Tensor,
    allowed: Tensor | None = None,
    names: list[str] | None = None,
) -> None:
    """One-to-one, allowed, and true about its cost, its gap and whether it is exact.

    Args:
        names: what to call the problems of a stack, should one fail.
    """
    b, k = cost.shape[-2:]
    assert matching.columns.shape == cost.shape[:-1]
    assert matching.columns.dtype == torch.int64
    assert matching.cost.shape == matching.gap.shape == cost.shape[:-2]
    assert matching.cost.dtype == matching.gap.dtype == torch.float64
    assert matching.exact is solver.exact
    if cost.numel() == 0:
        return
    costs, gaps = matching.cost.reshape(-1).tolist(), matching.gap.reshape(-1).tolist()
    for number, values in enumerate(cost.detach().reshape(-1, b, k)):
        which = names[number] if names else number
        columns = matching.columns.reshape(-1, b)[number]
        assert len(set(columns.tolist())) == b, which
        assert 0 <= int(columns.min()) <= int(columns.max()) < k, which
        doubled = values.double()
        if allowed is not None:
            mask = allowed.expand(cost.shape).reshape(-1, b, k)[number]
            assert mask.gather(1, columns[:, None]).all(), which
            doubled = doubled.masked_fill(~mask, torch.inf)
            values = values.masked_fill(~mask, 0.0)
        said, gap = costs[number], gaps[number]
        torch.testing.assert_close(said, float(paid(values, columns)), rtol=1e-12, atol=1e-300)
        matched = doubled.gather(1, columns[:, None]).abs()
        lowest = lowest_cost(doubled.numpy())
        rounding = 1e-12 * float(matched.sum())
        assert said >= lowest - rounding, which
        assert gap >= 0, which
        # No matching costs less than this.
        assert said - gap <= lowest + rounding, which
        if solver.exact:
            assert gap <= promised(matched), which


def promised(matched: Tensor) -> float:
    """The largest gap of an exact solver whose pairs cost so much: see :class:`Matching`."""
    typical = matched.abs().flatten().sort().values[len(matched) // 2]
    return 1e-4 * float(typical) * len(matched)
