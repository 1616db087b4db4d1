"""The problem that every solver gets is checked, and laid out in one way."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from natlib.errors import MatchingError
from natlib.solvers import Problem


def test_leading_dimensions_become_one_stack() -> None:
    cost = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    problem = Problem(cost)
    assert torch.equal(problem.cost, cost.view(6, 4, 5))
    assert (problem.stack, problem.rows, problem.columns) == ((2, 3), 4, 5)
    assert problem.allowed is None
    single = Problem(cost[0, 0])
    assert (single.cost.shape, single.stack) == ((1, 4, 5), ())


def test_a_mask_is_broadcast_and_clears_the_costs_of_other_pairs() -> None:
    cost = torch.full((2, 2, 3), 7.0)
    allowed = torch.tensor([[True, False, True], [True, True, False]])
    cost[:, ~allowed] = torch.nan  # what is not allowed may hold anything
    problem = Problem(cost, allowed)
    assert problem.allowed is not None
    assert torch.equal(problem.allowed, allowed.expand(2, 2, 3))
    assert torch.equal(problem.cost, 7.0 * allowed.expand(2, 2, 3))
    assert cost.isnan().any(), "the costs of the caller were changed"


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_costs_are_at_least_float32_contiguous_and_without_gradient(
    given: torch.dtype, held: torch.dtype
) -> None:
    cost = torch.rand(4, 3, dtype=given, requires_grad=True).mT
    problem = Problem(cost)
    assert problem.cost.dtype == held
    assert problem.cost.is_contiguous()
    assert not problem.cost.requires_grad
    assert torch.equal(problem.cost[0], cost.detach().to(held))


def test_a_problem_does_not_change() -> None:
    problem = Problem(torch.rand(2, 2))
    with pytest.raises(FrozenInstanceError):
        problem.cost = torch.rand(2, 2)  # type: ignore[misc]


def test_what_cannot_be_matched_is_no_problem() -> None:
    good = torch.zeros(2, 3, 3)
    bad = good.clone()
    bad[1, 2, 0] = torch.inf
    with pytest.raises(MatchingError, match=r"row 2 of problem \[1\] hold NaN or infinity"):
        Problem(bad)
    with pytest.raises(MatchingError, match="3 rows cannot have one column each of only 2"):
        Problem(good[..., :2])
    with pytest.raises(MatchingError, match=r"shape \[\.\.\., b, k\], got \[3\]"):
        Problem(good[0, 0])
    with pytest.raises(MatchingError, match="type bool"):
        Problem(good, good)
    with pytest.raises(MatchingError, match="does not fit"):
        Problem(good, torch.ones(4, dtype=torch.bool))
    with pytest.raises(MatchingError, match=r"row 0 of problem \[0\] has no allowed column"):
        Problem(good, torch.zeros(3, 3, dtype=torch.bool))


def test_a_sum_too_large_for_its_type_is_no_infinity() -> None:
    cost = torch.full((4, 4), 3e38)
    assert torch.equal(Problem(cost).cost[0], cost)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (torch.uint8, torch.float32),
        (torch.int16, torch.float32),
        (torch.bool, torch.float32),
        (torch.int32, torch.float64),
        (torch.int64, torch.float64),
    ],
)
def test_whole_numbers_keep_all_digits(given: torch.dtype, held: torch.dtype) -> None:
    largest = 1 if given == torch.bool else min(torch.iinfo(given).max, 2**53)
    cost = torch.tensor([[largest, 0], [0, largest]]).to(given)
    problem = Problem(cost)
    assert problem.cost.dtype == held
    assert int(problem.cost[0, 0, 0]) == largest


def test_costs_that_have_no_order_or_too_many_digits_are_refused() -> None:
    with pytest.raises(MatchingError, match=r"need an order, and torch.complex64 has none; give"):
        Problem(torch.zeros(2, 2, dtype=torch.complex64))
    with pytest.raises(MatchingError, match=r"torch.int64 go beyond 2\^53"):
        Problem(torch.tensor([[2**53 + 2, 0], [0, 1]]))
    with pytest.raises(MatchingError, match="to be a tensor, got ndarray"):
        Problem(np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(MatchingError, match="type bool, got ndarray; give a bool tensor"):
        Problem(torch.zeros(2, 2), np.ones((2, 2), bool))  # type: ignore[arg-type]
