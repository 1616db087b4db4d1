"""The greedy solver against taking one pair at a time."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from natlib.solvers import Greedy
from natlib.solvers.centring import centred
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
        assert len(np.unique(centred(cost))) == 4
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
