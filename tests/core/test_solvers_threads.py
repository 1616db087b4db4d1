"""Stacks of problems in one thread and in several."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from natlib.runtime.autotune import Autotune
from natlib.solvers import Lapjv
from natlib.solvers.kernels import threads
from tests.core.cost_matrices import stack

Columns = NDArray[np.int64]


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(threads, "_choices", {})


def diagonal(cost: NDArray[Any], mask: NDArray[np.bool_] | None) -> Columns:
    del mask
    return np.full(len(cost), round(float(cost[0, 0])))


@pytest.mark.usefixtures("three_threads")
def test_problems_keep_their_order_and_their_masks() -> None:
    def solve_one(cost: NDArray[Any], mask: NDArray[np.bool_] | None) -> Columns:
        assert mask is not None
        assert mask[0, 0] == (round(float(cost[0, 0])) % 2 == 0)
        return diagonal(cost, mask)

    problems = np.arange(7.0)[:, None, None] * np.ones((7, 4, 5))
    masks = [np.full((4, 5), number % 2 == 0) for number in range(7)]
    for _ in range(20):
        solved = threads.solve_all("test", solve_one, problems, masks)
        assert [int(columns[0]) for columns in solved] == list(range(7))


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("fast", [1, 3])
def test_the_faster_way_is_kept_for_each_size(monkeypatch: pytest.MonkeyPatch, fast: int) -> None:
    used: list[int] = []

    class Choice(Autotune[int]):
        def record(self, way: int, seconds: float) -> None:
            assert seconds >= 0
            used.append(way)
            super().record(way, 1.0 if way == fast else 2.0)

    monkeypatch.setattr(threads, "Autotune", Choice)
    problems = np.zeros((4, 3, 3))
    for _ in range(30):
        threads.solve_all("test", diagonal, problems, [None] * 4)
    assert set(used[:12]) == {1, 3}
    assert set(used[12:]) == {fast}
    threads.solve_all("test", diagonal, np.zeros((4, 9, 9)), [None] * 4)
    threads.solve_all("other", diagonal, problems, [None] * 4)
    assert len(threads._choices) == 3


@pytest.mark.usefixtures("three_threads")
def test_one_problem_needs_one_thread() -> None:
    names = []

    def solve_one(cost: NDArray[Any], mask: NDArray[np.bool_] | None) -> Columns:
        names.append(threading.current_thread().name)
        return diagonal(cost, mask)

    threads.solve_all("test", solve_one, np.zeros((1, 3, 3)), [None])
    assert names == [threading.current_thread().name]
    assert threads._choices == {}


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("only", [1, 3])
def test_an_error_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch, only: int) -> None:
    def solve_one(cost: NDArray[Any], mask: NDArray[np.bool_] | None) -> Columns:
        raise ValueError("no")

    monkeypatch.setattr(threads, "Autotune", lambda ways: Autotune([only]))
    with pytest.raises(ValueError, match="no"):
        threads.solve_all("test", solve_one, np.zeros((4, 3, 3)), [None] * 4)


def test_solvers_work_from_several_threads_at_once() -> None:
    costs = [torch.from_numpy(stack(["random", "ties"], 30, 30, seed)) for seed in range(6)]
    alone = [Lapjv().solve(cost).columns for cost in costs]
    together: dict[int, torch.Tensor] = {}

    def solve(number: int) -> None:
        for _ in range(5):
            together[number] = Lapjv().solve(costs[number]).columns

    workers = [threading.Thread(target=solve, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(together[number], alone[number]) for number in range(6))
