"""The greedy solver against taking one pair at a time."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from natlib.solvers import Greedy
from natlib.solvers.kernels.centre_costs import centre_costs
from tests.core.cost_matrices import FAMILIES, lowest_cost, make


def one_pair_at_a_time(cost: NDArray[np.float64]) -> list[int]:
    """The cheapest free pair, again and again; of equal ones the first in reading order."""
    b, k = cost.shape
    cost = cost - cost.mean(1, keepdims=True)
    if b == k:
        cost = cost - cost.mean(0)
    columns = [-1] * b
    for _ in range(b):
        free = cost.copy()
        free[[row for row in range(b) if columns[row] >= 0]] = np.inf
        free[:, [column for column in columns if column >= 0]] = np.inf
        row, column = divmod(int(free.argmin()), k)
        columns[row] = column
    return columns


@pytest.mark.parametrize("family", ["random", "normal", "rank2", "collapsed2", "clustered"])
@pytest.mark.parametrize(("b", "k"), [(1, 1), (2, 2), (17, 17), (40, 40), (9, 30)])
def test_equals_one_pair_at_a_time(family: str, b: int, k: int) -> None:
    for seed in range(5):
        cost = make(family, b, k, seed)
        assert Greedy().solve(torch.from_numpy(cost)).columns.tolist() == one_pair_at_a_time(cost)


@pytest.mark.parametrize(("b", "k"), [(16, 16), (8, 32)])
def test_equals_one_pair_at_a_time_with_ties(b: int, k: int) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        # Rows and columns of a Latin-like square have one mean each, so that centring and
        # scaling keep ties exact: every row and every column holds the numbers 0 to k - 1.
        base = (np.arange(k)[:, None] + np.arange(k)[None]) % 4
        square = base[generator.permutation(k)][:, generator.permutation(k)]
        cost = square[:b].astype(np.float64)
        assert len(np.unique(centre_costs(cost))) == 4
        assert Greedy().solve(torch.from_numpy(cost)).columns.tolist() == one_pair_at_a_time(cost)


@pytest.mark.parametrize("family", FAMILIES)
def test_lies_between_the_best_and_a_random_matching(family: str) -> None:
    for b, k in [(30, 30), (10, 40)]:
        cost = make(family, b, k)
        paid = float(Greedy().solve(torch.from_numpy(cost)).cost)
        # The mean over all matchings is what a random one pays on average.
        average = float(cost.mean(1).sum())
        size = 1e-12 * np.abs(cost).max() * b
        assert lowest_cost(cost) - size <= paid <= average + size


def test_is_nearly_as_good_as_the_best_on_random_costs() -> None:
    cost = make("random", 200, 200)
    paid = float(Greedy().solve(torch.from_numpy(cost)).cost)
    assert 0.85 < paid / lowest_cost(cost) < 1.0


def row_by_row(cost: NDArray[np.float64]) -> list[int]:
    """Rows of the largest regret first, each to its cheapest free column."""
    b, k = cost.shape
    cost = cost - cost.mean(1, keepdims=True)
    if b == k:
        cost = cost - cost.mean(0)
    regret = [np.diff(np.sort(row)[:2])[0] if k > 1 else 0.0 for row in cost]
    columns = [-1] * b
    for row in sorted(range(b), key=lambda row: -regret[row]):
        columns[row] = min((c for c in range(k) if c not in columns), key=lambda c: cost[row, c])
    return columns


@pytest.mark.parametrize("family", ["random", "normal", "rank2", "collapsed2", "clustered"])
@pytest.mark.parametrize(("b", "k"), [(1, 1), (1, 4), (2, 2), (17, 17), (9, 30)])
def test_row_by_row(family: str, b: int, k: int) -> None:
    for seed in range(5):
        cost = make(family, b, k, seed)
        found = Greedy(order="rows").solve(torch.from_numpy(cost))
        assert found.columns.tolist() == row_by_row(cost)


@pytest.mark.parametrize("family", ["constant", "ties", "rank1", "line", "wild"])
def test_many_rows_that_want_one_column(family: str) -> None:
    cost = make(family, 150, 150)
    found = Greedy().solve(torch.from_numpy(cost)).columns.numpy()
    assert sorted(found) == list(range(150))
    # Of two matched pairs the cheaper one was taken while all four ends were free, so that
    # no pair across them costs less than it.
    centred = centre_costs(cost)
    paid = centred[np.arange(150), found]
    cheaper = np.minimum(paid[:, None], paid[None])
    assert (cheaper <= centred[:, found] + 1e-12).all()


@pytest.mark.parametrize("order", ["best", "rows"])
def test_a_row_that_is_left_without_a_column_gets_one(order: str) -> None:
    cost = torch.tensor([[0.0, 5.0, 9.0], [1.0, 6.0, 9.0], [0.0, 9.0, 9.0]])
    allowed = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    solver = Greedy.model_validate({"order": order})
    assert solver.solve(cost, allowed).columns.tolist() == [1, 0, 2]
