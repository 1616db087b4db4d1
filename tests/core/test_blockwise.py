"""Large pools, a block at a time: ``blockwise``."""

import itertools
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from natlib.solvers import Auction, Blockwise, Greedy, Lapjv, pairwise_cost
from natlib.solvers.kernels.block_problem import BlockProblem
from tests.core.large_pools import KINDS, check_one_to_one, points, watched
from tests.core.matchings import paid


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", ["given", "sliced"])
@pytest.mark.parametrize(("b", "k"), [(500, 500), (300, 800)])
def test_the_cost_never_rises_from_pass_to_pass(kind: str, start: str, b: int, k: int) -> None:
    z, c = points(kind, b, k)
    cost = pairwise_cost(z, c)
    costs = []
    for passes in range(1, 6):
        solver = Blockwise(block=32, passes=passes, tolerance=0, start=start)
        found = solver.match(z, c)
        check_one_to_one(found.columns, b, k)
        assert found.iterations == passes or found.converged
        assert float(found.cost) == pytest.approx(float(paid(cost, found.columns)), rel=1e-9)
        costs.append(float(found.cost))
    assert all(now <= then + 1e-9 * abs(then) for then, now in itertools.pairwise(costs))
    assert costs[-1] < costs[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_matching_in_force_is_never_made_worse(kind: str) -> None:
    z, c = points(kind, 400, 400)
    for before in (torch.randperm(400), Lapjv().match(z, c).columns):
        in_force = c[before]
        stays = float(pairwise_cost(z, in_force).diagonal().double().sum())
        found = Blockwise(block=16, passes=3).match(z, in_force)
        assert float(found.cost) <= stays + 1e-6 * abs(stays)
    # The best one has nothing to gain: the first pass says so.
    assert found.iterations == 1
    assert found.converged


def test_more_passes_stop_once_they_gain_too_little() -> None:
    z, c = points("clustered", 600, 600)
    assert not Blockwise(block=32, passes=2, tolerance=0).match(z, c).converged
    found = Blockwise(block=32, passes=100, tolerance=0.01).match(z, c)
    assert found.converged
    assert 2 < found.iterations < 100


def test_near_blocks_beat_random_ones() -> None:
    z, c = points("clustered", 1500, 1500)
    near = Blockwise(block=32, passes=5, tolerance=0).match(z, c).cost
    columns = torch.arange(1500)
    for seed in range(5):  # the first pass of every call is a random one
        found = Blockwise(block=32, passes=1, seed=seed).match(z, c[columns])
        columns = columns[found.columns]
    assert near < found.cost


def test_comes_close_to_the_optimum_and_closer_with_larger_blocks() -> None:
    z, c = points("random", 1000, 1000)
    cost = pairwise_cost(z, c).double()
    best, random = float(Lapjv().solve(cost).cost), float(cost.mean() * 1000)
    gaps = [
        (float(Blockwise(block=block, passes=20).match(z, c).cost) - best) / (random - best)
        for block in (16, 64, 256)
    ]
    assert 0 < gaps[2] < gaps[1] < gaps[0] < 0.3
    assert gaps[2] < 0.1


@pytest.mark.parametrize("inner", [Lapjv(), Greedy(), Auction()])
def test_one_block_is_matched_by_the_inner_solver(inner: Lapjv | Greedy | Auction) -> None:
    z, c = points("random", 60, 64)
    solver = Blockwise(block=64, inner=inner)
    for found in (solver.match(z, c), solver.solve(pairwise_cost(z, c))):
        expected = inner.match(z, c)
        assert torch.equal(found.columns, expected.columns)
        assert torch.equal(found.gap, expected.gap)


@pytest.mark.parametrize("inner", [Greedy(), Auction()])
def test_inner_solvers_that_may_be_worse_make_nothing_worse(inner: Greedy | Auction) -> None:
    z, c = points("random", 200, 200)
    best = c[Lapjv().match(z, c).columns]
    stays = float(pairwise_cost(z, best).diagonal().double().sum())
    found = Blockwise(block=16, passes=4, inner=inner).match(z, best)
    assert float(found.cost) <= stays + 1e-6 * abs(stays)


def test_holds_no_costs_but_those_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = watched(monkeypatch)
    z, c = points("random", 20_000, 20_000)
    before = float(pairwise_cost(z[:, None], c[:, None]).double().sum())
    sizes.clear()
    found = Blockwise(block=128, passes=2).match(z, c)
    check_one_to_one(found.columns, 20_000, 20_000)
    assert float(found.cost) < 0.7 * before - 1000
    assert 100 < max(max(size) for size in sizes) <= 256  # what is paid is added up in 256s
    assert torch.isinf(found.gap)
    assert not found.exact


def test_a_block_needs_two_candidates() -> None:
    with pytest.raises(ValidationError, match="block"):
        Blockwise(block=1)


def test_blocks_share_all_columns_out_among_few_rows() -> None:
    """More candidates than rows: all of them are looked at, in whatever block they are."""
    z, c = points("random", 20, 400)
    best = float(Lapjv().match(z, c).cost)
    found = Blockwise(block=40, passes=30, tolerance=0).match(z, c)
    first = float(pairwise_cost(z, c[:20]).diagonal().double().sum())
    assert first - float(found.cost) > 0.7 * (first - best)
    assert np.unique(found.columns.numpy()).size == 20


class Backwards(Lapjv):
    """Gives the first row the last column, and so on."""

    kind: Literal["backwards"] = "backwards"  # type: ignore[assignment]

    def _solve_matrix(self, cost: NDArray[Any], allowed: object) -> tuple[NDArray[Any], float]:
        return np.arange(len(cost))[::-1].copy(), 0.0


@pytest.mark.parametrize(("slope", "taken"), [(0.0, False), (1.0, False), (-1.0, True)])
def test_a_block_that_is_no_better_stays_as_it_was(slope: float, taken: bool) -> None:
    columns = np.arange(4)
    # Without a slope everything costs the same; with one, backwards costs more or less.
    cost = slope * np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    problem = BlockProblem.of_costs(cost, None, Backwards())
    found, saved = problem.improve(columns, [np.arange(4)])
    assert found.tolist() == (columns[::-1] if taken else columns).tolist()
    assert saved == (8 if taken else 0)
