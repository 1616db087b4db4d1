"""Sinkhorn's plan against a plain one in float64, its marginals, its limits."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from natlib.errors import MatchingError
from natlib.solvers import Sinkhorn
from tests.core.cost_matrices import FAMILIES, lowest_cost, make

by_family = pytest.mark.parametrize("family", FAMILIES)
PATIENT = Sinkhorn(epsilon=0.2, tolerance=1e-6, iterations=20_000)


def plain(cost: NDArray[np.float64], epsilon: float) -> NDArray[np.float64]:
    """The entropic plan of a square problem."""
    f, g = np.zeros(len(cost)), np.zeros(len(cost))
    for _ in range(3000):
        f = -epsilon * logsumexp((g - cost) / epsilon, axis=1)
        g = -epsilon * logsumexp((f[:, None] - cost) / epsilon, axis=0)
    return np.exp((f[:, None] + g - cost) / epsilon)


@pytest.mark.parametrize("family", ["random", "ties", "rank1", "collapsed2", "clustered", "line"])
def test_plan_is_that_of_a_plain_implementation(family: str) -> None:
    cost = make(family, 25, 25)
    plan = PATIENT.plan(torch.from_numpy(cost))
    assert plan.converged
    expected = plain(cost, float(plan.temperature))
    np.testing.assert_allclose(plan.mass.numpy(), expected, atol=2e-5)


@by_family
def test_rows_and_columns_sum_to_one(family: str) -> None:
    for dtype in (torch.float32, torch.float64):
        cost = torch.from_numpy(make(family, 30, 30)).to(dtype)
        plan = Sinkhorn(iterations=5000).plan(cost)
        assert plan.converged
        assert plan.mass.dtype == dtype
        rows, columns = plan.mass.double().sum(1), plan.mass.double().sum(0)
        assert float((rows - 1).abs().max()) == pytest.approx(float(plan.error), abs=1e-3)
        assert float(plan.error) <= 0.01
        torch.testing.assert_close(columns, torch.ones_like(columns), atol=1e-3, rtol=0)


@by_family
def test_columns_of_a_wide_problem_hold_one_at_most(family: str) -> None:
    for b, k in [(29, 30), (10, 30)]:
        plan = PATIENT.plan(torch.from_numpy(make(family, b, k)))
        assert plan.converged
        sums = plan.mass.sum(0)
        assert float(sums.max()) <= 1 + 1e-9
        torch.testing.assert_close(plan.mass.sum(1), torch.ones(b).double(), atol=2e-6, rtol=0)


def test_full_columns_alone_have_a_potential() -> None:
    """With the rows' condition this makes the plan the only best one."""
    cost = torch.from_numpy(make("normal", 10, 30))
    plan = PATIENT.plan(cost)
    full = plan.mass.sum(0) > 1 - 1e-9
    assert 0 < int(full.sum()) < 30
    assert torch.equal(plan.column < 0, full)
    exponent = (plan.row[:, None] + plan.column - cost) / plan.temperature
    torch.testing.assert_close(exponent.exp(), plan.mass)


@by_family
def test_potentials_are_in_units_of_the_costs(family: str) -> None:
    cost = torch.from_numpy(make(family, 20, 20))
    plan = PATIENT.plan(cost)
    if float(plan.temperature) > 1e-6 * float(cost.abs().max()):  # else rounding is all there is
        exponent = (plan.row[:, None] + plan.column - cost) / plan.temperature
        torch.testing.assert_close(exponent.exp(), plan.mass, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", ["random", "ties", "rank2", "clustered", "wild"])
def test_costs_less_and_less_as_epsilon_falls(family: str) -> None:
    cost = make(family, 20, 20)
    before = np.inf
    for epsilon in (0.5, 0.1, 0.02):
        solver = Sinkhorn(epsilon=epsilon, tolerance=1e-4, iterations=20_000)
        plan = solver.plan(torch.from_numpy(cost))
        missed = float((plan.mass * torch.from_numpy(cost)).sum()) - lowest_cost(cost)
        # A plan has an entropy of b log b at most.
        slack = 1e-4 * 20 * np.abs(cost - cost.mean()).max()
        assert -slack <= missed <= float(plan.temperature) * 20 * np.log(20) + slack
        assert missed <= before + slack
        before = missed


@pytest.mark.parametrize("shape", [(20, 20), (15, 20)])
@pytest.mark.parametrize("factor", [1e-200, 0.3, 1e200])
def test_factors_and_constants_change_no_plan(shape: tuple[int, int], factor: float) -> None:
    cost = torch.from_numpy(make("random", *shape))
    rows = torch.randn(shape[0], 1, generator=torch.Generator().manual_seed(0)).double()
    columns = rows[: shape[1]].T if shape[0] == shape[1] else 0.0
    plan, other = PATIENT.plan(cost), PATIENT.plan(factor * (cost + rows + columns))
    torch.testing.assert_close(other.mass, plan.mass, atol=1e-9, rtol=0)
    torch.testing.assert_close(other.temperature / factor, plan.temperature)


def test_masked_pairs_get_nothing() -> None:
    allowed = torch.rand(30, 30, generator=torch.Generator().manual_seed(1)) < 0.4
    allowed |= torch.eye(30, dtype=torch.bool)
    cost = torch.from_numpy(make("random", 30, 30)).masked_fill(~allowed, torch.inf)
    plan = PATIENT.plan(cost, allowed)
    assert plan.converged
    assert float(plan.mass[~allowed].sum()) == 0.0
    assert float((plan.mass.sum(1) - 1).abs().max()) < 1e-5
    assert float((plan.mass.sum(0) - 1).abs().max()) < 1e-5


def test_a_stack_of_plans_equals_its_plans() -> None:
    names = ["random", "ties", "rank1", "normal"]
    cost = torch.from_numpy(np.stack([make(name, 12, 15) for name in names])).view(2, 2, 12, 15)
    stacked = Sinkhorn().plan(cost)
    assert stacked.mass.shape == cost.shape
    assert stacked.error.shape == (2, 2)
    for i, j in np.ndindex(2, 2):
        single = Sinkhorn().plan(cost[i, j])
        assert torch.equal(stacked.mass[i, j], single.mass)
        assert torch.equal(stacked.column[i, j], single.column)
        assert stacked.iterations >= single.iterations


@pytest.mark.parametrize("iterations", [3, 40])
def test_too_few_iterations_are_told_and_do_no_harm(iterations: int) -> None:
    cost = torch.from_numpy(make("random", 60, 60))
    solver = Sinkhorn(epsilon=0.01, iterations=iterations, tolerance=1e-9)
    plan, matching = solver.plan(cost), solver.solve(cost)
    assert not plan.converged
    assert not matching.converged
    assert plan.iterations == matching.iterations == iterations
    assert float((plan.mass.sum(1) - 1).abs().max()) == pytest.approx(float(plan.error))
    assert len(matching.columns.unique()) == 60
    missed = float(matching.cost) - lowest_cost(cost.numpy())
    assert 0 <= missed + 1e-12 <= float(matching.gap) + 2e-12


@by_family
def test_the_matching_misses_the_optimum_by_the_gap_at_most(family: str) -> None:
    for b, k in [(30, 30), (29, 30), (12, 30)]:
        cost = make(family, b, k)
        matching = Sinkhorn().solve(torch.from_numpy(cost))
        rest = cost - cost.mean(1, keepdims=True)
        if b == k:
            rest = rest - rest.mean(0)
        missed = float(matching.cost) - lowest_cost(cost)
        rounding = 1e-9 * np.abs(cost).max()
        assert missed <= float(matching.gap) + rounding
        # The auction that makes the matching ends with prices for an epsilon of 0.02.
        assert float(matching.gap) <= b * 0.0201 * np.sqrt((rest**2).mean()) + rounding


def test_a_plan_of_nothing_and_a_plan_of_nonsense() -> None:
    assert Sinkhorn().plan(torch.zeros(3, 0, 4)).mass.shape == (3, 0, 4)
    assert Sinkhorn().plan(torch.zeros(0, 2, 4)).row.shape == (0, 2)
    with pytest.raises(MatchingError, match="row 1 hold NaN"):
        Sinkhorn().plan(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]))
