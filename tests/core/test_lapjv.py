"""How ``lapjv`` prepares costs: on a grid, and in other ways for other kinds of rows."""

from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.solvers.instances import make_instance
from natlib.solvers import Lapjv, lapjv
from natlib.solvers.kernels.centre_costs import centre_columns, soft_prices, subtract_row_minima
from natlib.solvers.kernels.quantise import grid_start, grid_step, quantise, room_for
from tests.core.cost_matrices import lowest_cost, make


@pytest.mark.parametrize("room", [2, 3])
@pytest.mark.parametrize("span", [1e-29, 0.3, 1.0, 1.0001, 7.0, 1e29])
def test_a_grid_has_levels_enough_and_room(span: float, room: int) -> None:
    cost = np.random.default_rng(0).random((50, 50)).astype(np.float32) * np.float32(span)
    start = grid_start(span, room)
    whole = quantise(cost, start, np.empty_like(cost))
    step = grid_step(start)
    assert span / step >= 2 ** (22 - room)
    # Everything within the room is a whole multiple of the step, also what comes off as prices.
    assert start - 0.999 * span >= 2**23 * step
    assert start + (2**room - 1) * span <= 2**24 * step
    assert (np.remainder(whole.astype(np.float64) / step, 1) == 0).all()
    start = float(np.float32(start))
    assert np.abs(whole - start - cost.astype(np.float64)).max() <= step / 2


@pytest.mark.parametrize("levels", [2**6, 1000, 2**14, 2**14 + 1, 2**20])
def test_a_grid_has_the_levels_that_are_asked_for(levels: int) -> None:
    for span in (0.3, 1.0, 1.999):
        start = grid_start(span, room_for(levels))
        assert levels <= span / grid_step(start) < 4 * levels


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("features", ["random", "clustered", "collapsed"])
def test_fewer_levels_cost_no_more_than_they_say(features: str, masked: bool) -> None:
    cost = make_instance(features, 200).cost
    allowed = torch.rand(cost.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    allowed.fill_diagonal_(True)
    best = Lapjv().solve(cost, allowed if masked else None)
    span = float(cost.max() - cost.min())
    gaps = []
    for levels in (2**6, 2**10, 2**14):
        solver = Lapjv(levels=levels)
        found = solver.solve(cost, allowed if masked else None)
        assert not found.exact
        gaps.append(float(found.gap))
        assert 0 < gaps[-1] <= len(cost) * span / levels
        assert float(found.cost) <= float(best.cost + found.gap)
    assert gaps == sorted(gaps, reverse=True)
    # Far less than it may cost: with 2^14 levels the pairs are those of the best matching.
    assert (found.columns == best.columns).double().mean() > 0.95


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every call, whether soft prices were made."""
    calls: list[bool] = []
    whole, soft = lapjv._quantised, lapjv.soft_prices

    def noted(*arguments: Any) -> Any:
        calls.append(False)
        return whole(*arguments)

    def priced(*arguments: Any) -> Any:
        calls[-1] = True
        return soft(*arguments)

    monkeypatch.setattr(lapjv, "_quantised", noted)
    monkeypatch.setattr(lapjv, "soft_prices", priced)
    return calls


@pytest.mark.parametrize("size", [40, 200, 1024])
@pytest.mark.parametrize("features", ["random", "clustered", "collapsed", "matched"])
def test_every_way_is_exact_and_the_right_one(
    features: str, size: int, prepared: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The answer is the proved one: it is not matched again in float64.
    monkeypatch.setattr(lapjv, "match_in_float64", None)
    problem = make_instance(features, size)
    found = Lapjv().solve(problem.cost)
    expected = lowest_cost(problem.cost.double().numpy())
    assert float(found.cost) == pytest.approx(expected, abs=2e-6 * size)
    # Small problems, and rows that compete for few columns, are matched as they are.
    as_it_is = (features == "random" and size == 40) or (features == "clustered" and size < 1024)
    if features == "matched" or as_it_is:
        assert prepared == []
    else:
        assert prepared == [features == "clustered"]


def test_what_is_not_proved_as_it_is_is_evened_out(monkeypatch: pytest.MonkeyPatch) -> None:
    proofs: list[bool] = []
    proven = lapjv._is_optimal

    def doubted(*arguments: Any) -> bool:
        proofs.append(len(proofs) > 0 and proven(*arguments))
        return proofs[-1]

    monkeypatch.setattr(lapjv, "_is_optimal", doubted)
    monkeypatch.setattr(lapjv, "match_in_float64", None)
    problem = make_instance("clustered", 200)
    found = Lapjv().solve(problem.cost)
    assert proofs == [False, True]
    expected = lowest_cost(problem.cost.double().numpy())
    assert float(found.cost) == pytest.approx(expected, abs=2e-6 * 200)


def test_what_is_not_proved_is_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lapjv, "_is_optimal", lambda *_: False)
    for family in ("random", "clustered", "constants", "ties"):
        cost = make(family, 90, 90)
        for allowed in (None, np.random.default_rng(0).random((90, 90)) < 0.7):
            mask = None if allowed is None else torch.from_numpy(allowed | np.eye(90, dtype=bool))
            found = Lapjv().solve(torch.from_numpy(cost).float(), mask)
            hidden = cost if mask is None else np.where(mask.numpy(), cost, np.inf)
            slack = 2e-6 * 90 * np.abs(cost).max()
            assert float(found.cost) == pytest.approx(lowest_cost(hidden), abs=slack)


@pytest.mark.parametrize("size", [30, 1100])
def test_rows_that_differ_by_a_constant_only(size: int) -> None:
    cost = torch.randn(size, 1, generator=torch.Generator().manual_seed(0)).expand(-1, size)
    found = Lapjv().solve(cost)
    assert sorted(found.columns.tolist()) == list(range(size))


def test_prices_of_costs_without_differences_are_0() -> None:
    level = centre_columns(np.full((5, 5), 3.0), None)
    subtract_row_minima(level.cost, level.best)
    assert (soft_prices(level.cost, np.empty((5, 5), np.float32)) == 0).all()


def test_wishes_that_all_differ_need_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    best = np.random.default_rng(1).permutation(20)
    cost[np.arange(20), best] -= 2
    monkeypatch.setattr(lapjv, "_quantised", None)
    # Only once a constant is off every column, too.
    cost += np.arange(20, dtype=np.float32)
    assert len(np.unique(cost.argmin(axis=1))) < 20
    assert Lapjv().solve(torch.from_numpy(cost)).columns.tolist() == best.tolist()


@pytest.mark.parametrize(
    ("columns", "proven"),
    [([0, 1, 2], True), ([0, 0, 2], False), ([2, 1, 0], False), ([1, 0, 2], False)],
)
def test_a_proof_wants_one_to_one_and_the_best_of_each_row(
    columns: list[int], proven: bool
) -> None:
    # At these prices the first two columns are equally good for the first two rows.
    price = np.array([0.0, 1.0, 2.0], np.float32)
    cost = np.array([[0, 1, 9], [0, 1, 9], [9, 9, 2]], np.float32)
    allowed = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 1]], bool)
    found = lapjv._is_optimal(cost.copy(), np.array(columns), price, allowed)
    assert found is proven
    # Without the mask the first two rows may exchange their columns.
    proven = proven or columns == [1, 0, 2]
    assert lapjv._is_optimal(cost, np.array(columns), price, None) is proven
