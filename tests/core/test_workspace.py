"""Memory that a thread keeps: overwritten by its next problem, seen by no other thread, and
never in an answer."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from natlib.solvers import Solver
from natlib.solvers.kernels.workspace import scratch
from tests.core.cost_matrices import FAMILIES, stack
from tests.core.matchings import EVERY, name


def test_a_thread_gets_its_memory_again_and_another_one_its_own() -> None:
    first = scratch((4, 5), np.float32)
    first[:] = 1.0
    assert np.shares_memory(first, scratch((2, 3), np.float64))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(scratch, (4, 5), np.float32).result()
    assert not np.shares_memory(first, other)


def test_what_is_too_large_to_be_kept_is_fresh() -> None:
    large = (2049, 2**11)
    assert not np.shares_memory(scratch(large, np.float32), scratch(large, np.float32))


@pytest.mark.parametrize("solver", EVERY, ids=name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_an_answer_outlives_the_next_problem(solver: Solver, dtype: torch.dtype) -> None:
    costs = [torch.from_numpy(stack(FAMILIES, 24, k, seed=k)).to(dtype) for k in (24, 30)]
    given = [cost.clone() for cost in costs]
    found = [solver.solve(cost) for cost in costs]
    before = [[tensor.clone() for tensor in (one.columns, one.cost, one.gap)] for one in found]
    scratch((64, 64), np.float64)[:] = np.nan
    solver.solve(torch.from_numpy(stack(FAMILIES, 40, 40)).to(dtype))
    for one, kept in zip(found, before, strict=True):
        for tensor, copy in zip((one.columns, one.cost, one.gap), kept, strict=True):
            assert torch.equal(tensor, copy)
    assert all(torch.equal(cost, copy) for cost, copy in zip(costs, given, strict=True))
