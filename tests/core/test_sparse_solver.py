"""The solver among candidates: exact by proof, and who takes over where it cannot be."""

from typing import Any

import numpy as np
import pytest
import torch

from natlib.solvers import Lapjv, Sparse
from natlib.solvers.kernels.candidates import (
    add_pairs,
    cheaper_pairs,
    cheapest,
    match_candidates,
    optimal_prices,
)
from tests.core.cost_matrices import FAMILIES, lowest_cost, make

SMALL = Sparse(candidates=6, smallest=1)


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the problems that went to another solver."""
    sizes: list[int] = []
    solve_matrix = Lapjv._solve_matrix

    def noted(self: Lapjv, cost: Any, allowed: Any) -> Any:
        sizes.append(len(cost))
        return solve_matrix(self, cost, allowed)

    monkeypatch.setattr(Lapjv, "_solve_matrix", noted)
    return sizes


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_exact_on_any_costs(family: str, dtype: torch.dtype) -> None:
    relative = 1e-13 if dtype == torch.float64 else 2e-6
    for seed, b in enumerate([3, 20, 150]):
        cost = torch.from_numpy(make(family, b, b, seed)).to(dtype)
        matching = SMALL.solve(cost)
        assert len(matching.columns.unique()) == b
        slack = relative * float(cost.double().abs().max()) * b
        assert float(matching.cost) <= lowest_cost(cost.double().numpy()) + slack


@pytest.mark.parametrize("family", ["random", "normal", "collapsed2", "constants"])
def test_needs_no_other_solver_on_ordinary_costs(family: str, handed_over: list[int]) -> None:
    SMALL.solve(torch.from_numpy(make(family, 200, 200)))
    assert not handed_over


def test_what_it_cannot_do_goes_to_another(handed_over: list[int]) -> None:
    square = torch.from_numpy(make("random", 30, 30))
    SMALL.solve(square[:20])  # wide
    SMALL.solve(square[:25, :25], torch.ones(25, 25, dtype=torch.bool).tril())  # masked
    SMALL.solve(torch.ones(28, 28))  # nothing but ties
    Sparse().solve(square[:27, :27])  # small
    assert handed_over == [20, 25, 28, 27]


def test_pairs_that_were_left_out_are_found() -> None:
    """The first candidates have a worse matching than all pairs have."""
    cost = make("normal", 80, 80, seed=3)
    # With the diagonal there is a matching to start from.
    candidates = add_pairs(cost, cheapest(cost, 2), np.arange(80) * 81)
    lowest, price, rounds, found = lowest_cost(cost), np.zeros(80), 0, np.inf
    while True:
        matched = match_candidates(candidates, price)
        assert matched is not None
        before, found = found, float(cost[np.arange(80), matched].sum())
        assert found <= before + 1e-9
        lower = optimal_prices(candidates, matched, price, 1e-13)
        assert lower is not None
        price = lower
        pairs = cheaper_pairs(cost, matched, price, 1e-12)
        if rounds == 0:
            assert found > lowest + 1e-6
            assert len(pairs) > 0
        if not len(pairs):
            break
        candidates = add_pairs(cost, candidates, pairs)
        rounds += 1
    assert found == pytest.approx(lowest, abs=1e-9)


def test_prices_give_every_row_its_cheapest_candidate() -> None:
    cost = make("random", 60, 60)
    candidates = cheapest(cost, 12)
    matched = match_candidates(candidates, np.zeros(60))
    assert matched is not None
    price = optimal_prices(candidates, matched, np.zeros(60), 1e-14)
    assert price is not None
    own = cost[np.arange(60), matched] - price[matched]
    net = candidates.cost - price[candidates.column]
    assert (net >= own[candidates.row] - 1e-12).all()


def test_candidates_without_a_matching() -> None:
    cost = np.tile(np.arange(10.0), (10, 1))  # all rows want the same columns
    assert match_candidates(cheapest(cost, 3), np.zeros(10)) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-25, 1e-9, 1.0, 1e9, 1e25])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_needs_no_other_solver_at_any_scale(
    scale: float, dtype: torch.dtype, handed_over: list[int]
) -> None:
    cost = torch.from_numpy(make("random", 60, 60))
    found = SMALL.solve((scale * cost).to(dtype))
    assert not handed_over
    assert torch.equal(found.columns, SMALL.solve(cost).columns)
