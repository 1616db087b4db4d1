"""Costs of a large spread, above all penalties: what a solver says about them is true.

A penalty stands for "not this pair" as long as it is large enough; the matching for one of 1e4 is
then the matching for any larger one, and SciPy finds it.
"""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.solvers import Lapjv, Scipy, Solver, Sparse
from natlib.solvers.kernels.digits import match_by_digits
from natlib.solvers.kernels.penalties import forbid_penalties
from natlib.solvers.problem import Problem
from tests.core.cost_matrices import lowest_cost, make
from tests.core.matchings import EVERY, check_matching, name, paid

Matrix = NDArray[np.float64]
by_kind = pytest.mark.parametrize("solver", EVERY, ids=name)
exact_ones = pytest.mark.parametrize(
    "solver", [*(s for s in EVERY if s.exact), Sparse(smallest=8)], ids=name
)
PENALTIES = [30.0, 1e3, 1e4, 1e6, 1e9, 1e18, 1e30, float(torch.finfo(torch.float32).max)]


def low_and_dear(
    b: int, k: int, share: float, needed: int = 0, seed: int = 0
) -> tuple[Matrix, NDArray[np.bool_]]:
    """Costs below 1 and the pairs with a penalty, of which each matching has at least so many."""
    g = np.random.default_rng([b, k, seed])
    low, dear = g.random((b, k)).astype(np.float32), g.random((b, k)) < share
    dear[np.arange(b), g.permutation(k)[:b]] = False
    dear[:needed] = True
    return low.astype(np.float64), dear


def cost_of(low: Matrix, dear: NDArray[np.bool_], penalty: float) -> Tensor:
    return torch.from_numpy(np.where(dear, penalty, low))


@exact_ones
@pytest.mark.parametrize("needed", [0, 3])
@pytest.mark.parametrize(("b", "k"), [(5, 5), (40, 40), (20, 29)])
def test_the_rest_of_a_matching_is_the_cheapest_too(
    solver: Solver, b: int, k: int, needed: int
) -> None:
    for share in (0.05, 0.5, 0.95):
        low, dear = low_and_dear(b, k, share, needed)
        lowest = lowest_cost(np.where(dear, 1e4, low))
        paid_in_penalties = 1e4 * round(lowest / 1e4)
        for penalty in PENALTIES[2:]:
            for dtype in (torch.float32, torch.float64):
                cost = cost_of(low, dear, penalty).to(dtype)
                found = solver.solve(cost)
                assert found.exact
                # Without the penalties, which take all digits from the sum.
                rest = cost_of(low, dear, 0.0)
                pays = torch.from_numpy(dear).gather(1, found.columns[:, None]).sum()
                assert int(pays) == round(paid_in_penalties / 1e4)
                # Penalties in float32 round by more than the gap where they are paid.
                assert float(paid(rest, found.columns)) == pytest.approx(
                    lowest - paid_in_penalties, abs=1e-6 if not needed else 1e-5
                )


@by_kind
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_cost_and_gap_are_true(solver: Solver, dtype: torch.dtype) -> None:
    for share in (0.05, 0.5, 0.95):
        for b, k in ((30, 30), (12, 20)):
            low, dear = low_and_dear(b, k, share)
            largest = torch.finfo(dtype).max
            penalties = [p for p in PENALTIES if p <= largest]
            for sign in (1.0, -1.0):  # a reward that everybody gets is a penalty for the others
                cost = torch.stack([cost_of(low, dear, sign * p).to(dtype) for p in penalties])
                if sign < 0:
                    cost = cost[:5]
                check_matching(solver, solver.solve(cost), cost)


@by_kind
def test_with_a_mask_as_well(solver: Solver) -> None:
    low, dear = low_and_dear(30, 30, 0.3)
    allowed = torch.rand(30, 30, generator=torch.Generator().manual_seed(0)) < 0.6
    allowed[np.arange(30), Scipy().solve(cost_of(low, dear, 1e6)).columns] = True
    cost = torch.stack([cost_of(low, dear, p).float() for p in PENALTIES])
    # Forbidden pairs may hold anything, and penalties may stand on both kinds.
    cost = cost.masked_fill(~allowed & (torch.rand(30, 30) < 0.5), torch.inf)
    check_matching(solver, solver.solve(cost, allowed), cost, allowed)


@by_kind
def test_penalties_of_several_sizes_and_scales(solver: Solver) -> None:
    low, dear = low_and_dear(24, 24, 0.5, seed=1)
    g = np.random.default_rng(0)
    several = np.where(dear, 10.0 ** g.integers(2, 9, dear.shape) * (1 + low), low)
    rows = several + 1e5 * g.standard_normal((24, 1))
    spread = np.exp(10 * g.standard_normal((24, 24)))
    for values in (several, rows, spread, 1e-30 * several, 1e25 * several):
        for dtype in (torch.float32, torch.float64):
            cost = torch.from_numpy(values).to(dtype)
            check_matching(solver, solver.solve(cost), cost)


@exact_ones
def test_float64_resolves_what_float64_can(solver: Solver) -> None:
    """Exact to the last digits of the sum, whatever else is in the matrix."""
    for seed in range(3):
        low, dear = low_and_dear(30, 30, 0.5, seed=seed)
        cost = cost_of(low, dear, 1e15)
        assert float(solver.solve(cost).cost) == pytest.approx(
            lowest_cost(np.where(dear, 1e3, low)), rel=1e-14
        )


@pytest.mark.parametrize(("b", "k"), [(1, 1), (6, 6), (25, 25), (10, 17), (3, 40)])
@pytest.mark.parametrize("masked", [False, True])
def test_by_digits_agrees_with_scipy_on_ordinary_costs(b: int, k: int, masked: bool) -> None:
    for family in ("normal", "ties", "line", "collapsed5", "constants", "wild", "zero"):
        cost = make(family, b, k)
        allowed = None
        if masked:
            allowed = np.random.default_rng(b).random((b, k)) < 0.5
            allowed[np.arange(b), np.arange(b)] = True
        found = match_by_digits(cost, allowed)
        hidden = cost if allowed is None else np.where(allowed, cost, np.inf)
        total = float(hidden[np.arange(b), found].sum())
        assert len(set(found.tolist())) == b
        assert total == pytest.approx(lowest_cost(hidden), rel=1e-12, abs=1e-300), family


def test_by_digits_uses_every_digit() -> None:
    """Levels that are 2^60 apart: the best by the first, then by the second, then by the third."""
    g = np.random.default_rng(0)
    levels = g.integers(0, 4, (3, 12, 12)).astype(float)
    cost = np.where(levels[0] > 0, levels[0] * 2.0**120, 0)
    cost = np.where(cost == 0, np.where(levels[1] > 0, levels[1] * 2.0**60, levels[2]), cost)
    found = match_by_digits(cost)
    # The same order with levels that one float64 holds.
    small = np.where(levels[0] > 0, levels[0] * 1e6, 0)
    small = np.where(small == 0, np.where(levels[1] > 0, levels[1] * 1e3, levels[2]), small)
    assert float(small[np.arange(12), found].sum()) == lowest_cost(small)


def test_penalties_become_a_mask_where_no_cheapest_matching_pays_one() -> None:
    low, dear = low_and_dear(30, 30, 0.4)
    problem = forbid_penalties(Problem(cost_of(low, dear, 1e6)))
    assert problem.allowed is not None
    assert torch.equal(problem.allowed[0], torch.from_numpy(~dear))
    # In a stack only where there are any; not where one has to be paid, or could be worth it.
    needed = low_and_dear(30, 30, 0.4, needed=1)
    stack = [cost_of(low, dear, 1e6), cost_of(*needed, 1e6), torch.from_numpy(low)]
    masks = forbid_penalties(Problem(torch.stack(stack))).allowed
    assert masks is not None
    assert torch.equal(masks[0], torch.from_numpy(~dear))
    assert masks[1:].all()
    for penalty in (0.5, 5.0, 50.0):
        plain = Problem(cost_of(low, dear, penalty))
        assert forbid_penalties(plain) is plain


@pytest.mark.parametrize("family", ["random", "normal", "ties", "line", "collapsed5", "clustered"])
def test_ordinary_costs_have_no_penalties(family: str) -> None:
    for b, k in ((2, 2), (3, 5), (30, 30), (200, 200)):
        problem = Problem(torch.from_numpy(make(family, b, k)).float())
        assert forbid_penalties(problem) is problem


def test_approximate_solvers_are_as_good_as_without_penalties() -> None:
    low, dear = low_and_dear(60, 60, 0.3)
    cost = cost_of(low, dear, 1e6).float()
    best = float(Lapjv().solve(cost).cost)
    chance = 30.0  # what a random matching of pairs without a penalty costs
    for solver in EVERY:
        found = solver.solve(cost)
        assert float(found.cost) - best < 0.2 * (chance - best), name(solver)
        assert float(found.gap) < 0.5 * (chance - best), name(solver)
