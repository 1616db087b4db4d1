"""Every registered solver against oracles and the invariants of the matching problem.

A solver that has a random ``seed`` may answer otherwise where the problem looks otherwise:
of such a one only costs are compared.
"""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from natlib.errors import MatchingError
from natlib.solvers import Matching, Solver, pairwise_cost
from tests.core.cost_matrices import FAMILIES, lowest_cost, make, stack
from tests.core.matchings import EVERY, check_matching, is_random, name, paid, slack

by_kind = pytest.mark.parametrize("solver", EVERY, ids=name)
exact_ones = pytest.mark.parametrize("solver", [s for s in EVERY if s.exact], ids=name)
rough_ones = pytest.mark.parametrize("solver", [s for s in EVERY if not s.exact], ids=name)
by_family = pytest.mark.parametrize("family", FAMILIES)
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# Rows and columns; both square and wide, and the smallest.
SHAPES = [(1, 1), (1, 4), (2, 2), (3, 3), (13, 13), (40, 40), (9, 11), (12, 48)]


@by_kind
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_to_one_and_true_about_cost_and_gap(solver: Solver, dtype: torch.dtype) -> None:
    for seed, (b, k) in enumerate(SHAPES):
        values = np.clip(stack(FAMILIES, b, k, seed), -6e4, 6e4)  # what float16 can hold
        cost = torch.from_numpy(values).to(dtype)
        check_matching(solver, solver.solve(cost), cost, names=list(FAMILIES))


@exact_ones
@pytest.mark.parametrize(
    "family", ["random", "ties", "rank1", "rank2", "collapsed2", "collapsed5", "line", "clustered"]
)
def test_exact_ones_at_the_size_of_a_batch(solver: Solver, family: str) -> None:
    for dtype in (torch.float32, torch.float64):
        cost = torch.from_numpy(make(family, 200, 200)).to(dtype)
        check_matching(solver, solver.solve(cost), cost)


@exact_ones
@by_family
def test_exact_ones_against_all_permutations(solver: Solver, family: str) -> None:
    for b, k in [(2, 2), (4, 4), (3, 5), (6, 6), (7, 7)]:
        cost = torch.from_numpy(make(family, b, k, seed=b))
        everyone = torch.tensor(list(itertools.permutations(range(k), b)))
        lowest = cost[torch.arange(b), everyone].sum(-1).min()
        assert float(solver.solve(cost).cost) <= float(lowest) + slack(cost)


@rough_ones
@by_family
def test_rough_ones_are_no_worse_than_a_random_matching_on_average(
    solver: Solver, family: str
) -> None:
    for b, k in [(30, 30), (10, 40)]:
        cost = torch.from_numpy(np.stack([make(family, b, k, seed) for seed in range(6)]))
        # A random matching pays the mean of every row.
        by_chance = cost.mean(-1).sum(-1)
        assert float((solver.solve(cost).cost - by_chance).mean()) <= slack(cost)


@rough_ones
def test_rough_ones_are_good_on_random_costs(solver: Solver) -> None:
    cost = torch.from_numpy(make("random", 200, 200))
    matching = solver.solve(cost)
    lowest = lowest_cost(cost.numpy())
    assert float(matching.cost) / lowest > 0.8
    # What is said about the distance to the best is of use, too.
    assert float(matching.gap) < 0.5 * abs(lowest)


@by_kind
@pytest.mark.parametrize("scale", [1e-300, 1e-38, 1e-30, 1e-8, 1e8, 1e30, 1e300])
def test_scales_of_any_size(solver: Solver, scale: float) -> None:
    values = stack(FAMILIES, 30, 30)
    values /= np.maximum(np.abs(values).max((1, 2), keepdims=True), 1)
    dtypes = [torch.float64] if scale in (1e-300, 1e300) else [torch.float32, torch.float64]
    for dtype in dtypes:
        cost = torch.from_numpy(values * scale).to(dtype)
        matching = solver.solve(cost)
        # Measured in units of the scale, so that 1e-300 counts.
        units = cost.double() / scale
        in_units = matching._replace(cost=paid(units, matching.columns), gap=matching.gap / scale)
        check_matching(solver, in_units, units, names=list(FAMILIES))


@by_kind
def test_largest_numbers_of_all(solver: Solver) -> None:
    for dtype in DTYPES:
        cost = torch.full((6, 6), torch.finfo(dtype).max, dtype=dtype)
        cost.fill_diagonal_(-torch.finfo(dtype).max)
        cost = cost.roll(2, dims=1)
        assert solver.solve(cost).columns.tolist() == [2, 3, 4, 5, 0, 1]


@by_kind
def test_empty_problems(solver: Solver) -> None:
    for shape in [(0, 0), (0, 5), (3, 0, 4), (0, 2, 2), (2, 0, 0)]:
        matching = solver.solve(torch.zeros(shape))
        check_matching(solver, matching, torch.zeros(shape))
        assert float(matching.cost.sum()) == 0.0
        allowed = torch.ones(shape, dtype=torch.bool)
        assert solver.solve(torch.zeros(shape), allowed).columns.shape == shape[:-1]


@by_kind
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_not_finite_costs_name_their_row(solver: Solver, bad: float, dtype: torch.dtype) -> None:
    cost = torch.zeros(5, 6, dtype=dtype)
    cost[3, 2] = bad
    cost[4, 0] = bad
    with pytest.raises(MatchingError, match="the costs of row 3 hold NaN or infinity"):
        solver.solve(cost)
    stacked = torch.zeros(2, 4, 5, 6, dtype=dtype)
    stacked[1, 2, 3] = bad
    with pytest.raises(MatchingError, match=r"row 3 of problem \[1, 2\]"):
        solver.solve(stacked)


@by_kind
def test_infinities_that_cancel_are_seen(solver: Solver) -> None:
    cost = torch.zeros(3, 3)
    cost[1, 0], cost[2, 0] = torch.inf, -torch.inf
    with pytest.raises(MatchingError, match="row 1"):
        solver.solve(cost)


@by_kind
def test_impossible_shapes(solver: Solver) -> None:
    with pytest.raises(MatchingError, match="4 rows cannot have one column each of only 3"):
        solver.solve(torch.zeros(4, 3))
    with pytest.raises(MatchingError, match="1 rows cannot have"):
        solver.solve(torch.zeros(2, 1, 0))
    with pytest.raises(MatchingError, match=r"shape \[\.\.\., b, k\], got \[4\]"):
        solver.solve(torch.zeros(4))


@by_kind
def test_points_that_do_not_fit_their_candidates(solver: Solver) -> None:
    z, c = torch.randn(6, 5), torch.randn(6, 5)
    for wrong, message in [
        (c[:, :4], r"points \[6, 5\] and candidates \[6, 4\] need the shapes .* same d; set dim"),
        (c[0], r"candidates \[5\] need the shapes"),
        (c.to(torch.complex64), "torch.complex64 cannot be matched"),
        (c.expand(3, 6, 5), ""),
    ]:
        if message:
            with pytest.raises(MatchingError, match=message) as caught:
                solver.match(z, wrong)
            assert "\n" not in str(caught.value)
        else:
            assert solver.match(z, wrong).columns.shape == (3, 6)
    with pytest.raises(MatchingError, match=r"stacks of different sizes; give one stack"):
        solver.match(z.expand(2, 6, 5), c.expand(3, 6, 5))


@by_kind
def test_points_in_one_type_and_candidates_in_another(solver: Solver) -> None:
    generator = torch.Generator().manual_seed(0)
    z, c = torch.randn(12, 5, generator=generator), torch.randn(12, 5, generator=generator)
    plain = solver.match(z.double(), c.double()).columns
    for one, other in ((z.double(), c), (z, c.double())):
        assert torch.equal(solver.match(one, other).columns, plain)
    half = solver.match(z.half(), c)
    check_matching(solver, half, pairwise_cost(z.half(), c))


@by_kind
def test_whole_numbers_are_costs(solver: Solver) -> None:
    # Beyond 2^24 float32 would take neighbours for equal.
    cost = 2**30 + torch.randint(0, 9, (8, 8), generator=torch.Generator().manual_seed(0))
    for dtype in (torch.int32, torch.int64):
        matching = solver.solve(cost.to(dtype))
        if solver.exact:
            assert float(matching.cost) == lowest_cost(cost.double().numpy())
    with pytest.raises(MatchingError, match="complex"):
        solver.solve(cost.to(torch.complex128))


@by_kind
def test_a_stack_equals_its_problems(solver: Solver) -> None:
    names = ["random", "ties", "rank1", "collapsed5", "duplicates", "normal"]
    for b, k in [(12, 12), (7, 15)]:
        cost = torch.from_numpy(stack(names, b, k)).view(2, 3, b, k)
        stacked = solver.solve(cost)
        for i, j in itertools.product(range(2), range(3)):
            single = solver.solve(cost[i, j])
            if not is_random(solver):
                assert torch.equal(stacked.columns[i, j], single.columns), names[3 * i + j]
            check_matching(solver, single, cost[i, j])


@by_kind
def test_answers_do_not_depend_on_threads_or_memory_layout(solver: Solver) -> None:
    cost = torch.from_numpy(stack(["random", "ties", "collapsed2", "constant"], 40, 40)).float()
    alone = solver.solve(cost)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        threaded = solver.solve(cost)
    finally:
        torch.set_num_threads(before)
    transposed = solver.solve(cost.mT.contiguous().mT)
    again = type(solver).model_validate(solver.model_dump()).solve(cost)
    for other in (threaded, transposed, again):
        assert torch.equal(alone.columns, other.columns)
        assert torch.equal(alone.cost, other.cost)


@by_kind
def test_leaves_costs_as_they_are_and_passes_no_gradient(solver: Solver) -> None:
    for b, k in [(9, 9), (6, 9)]:
        cost = torch.from_numpy(stack(FAMILIES, b, k)).requires_grad_()
        allowed = torch.rand(cost.shape) < 0.5
        allowed[:, torch.arange(b), torch.arange(b)] = True
        before, mask = cost.detach().clone(), allowed.clone()
        for matching in (solver.solve(cost), solver.solve(cost, allowed)):
            assert torch.equal(cost.detach(), before)
            assert torch.equal(allowed, mask)
            assert not matching.cost.requires_grad
            assert not matching.gap.requires_grad
    z = torch.randn(4, 3, requires_grad=True)
    assert not solver.match(z, torch.randn(5, 3)).cost.requires_grad


@by_kind
@by_family
def test_moving_rows_and_columns_moves_the_answer(solver: Solver, family: str) -> None:
    generator = torch.Generator().manual_seed(5)
    for b, k in [(16, 16), (8, 21)]:
        cost = torch.from_numpy(make(family, b, k))
        rows, columns = (torch.randperm(n, generator=generator) for n in (b, k))
        plain, moved = solver.solve(cost), solver.solve(cost[rows][:, columns])
        if solver.exact:
            assert float(moved.cost) == pytest.approx(float(plain.cost), abs=slack(cost))
        elif cost.unique().numel() == cost.numel() and not is_random(solver):
            # Without ties an approximate matching moves too.
            assert torch.equal(columns[moved.columns], plain.columns[rows])


@by_kind
@by_family
def test_constants_and_factors_change_no_answer(solver: Solver, family: str) -> None:
    generator = torch.Generator().manual_seed(6)
    cost = torch.from_numpy(make(family, 14, 14))
    size = float(cost.abs().max()) or 1.0
    row = size * torch.randn(14, 1, generator=generator, dtype=torch.float64)
    column = size * torch.randn(1, 14, generator=generator, dtype=torch.float64)
    plain = solver.solve(cost)
    for other in (cost + row, cost + column, 3.7 * cost, 1e-3 * (cost + row + column)):
        found = solver.solve(other).columns
        if solver.exact:
            # float64 loses digits to the constants, a few times over.
            assert float(paid(cost, found)) <= float(plain.cost) + 100 * slack(cost)
        elif cost.unique().numel() == cost.numel():  # ties may break differently
            assert torch.equal(found, plain.columns)


@by_kind
@settings(max_examples=30)
@given(
    b=st.integers(1, 9),
    extra=st.integers(0, 4),
    levels=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_small_problems_of_whole_numbers(
    solver: Solver, b: int, extra: int, levels: int, seed: int
) -> None:
    costs = np.random.default_rng(seed).integers(0, levels, (b, b + extra)).astype(np.float32)
    matching = solver.solve(torch.from_numpy(costs))
    check_matching(solver, matching, torch.from_numpy(costs))
    if solver.exact:
        assert float(matching.cost) == lowest_cost(costs.astype(np.float64))


@by_kind
def test_match_solves_the_squared_distances(solver: Solver) -> None:
    generator = torch.Generator().manual_seed(7)
    z = torch.randn(3, 10, 4, generator=generator, dtype=torch.float64)
    c = 2 * torch.randn(3, 10, 4, generator=generator, dtype=torch.float64)
    cost = pairwise_cost(z, c)
    matching = solver.match(z, c)
    check_matching(solver, matching, cost)
    assert float((matching.cost - cost.mean(-1).sum(-1)).sum()) < 0
    if solver.exact:
        assert torch.equal(matching.columns, solver.solve(torch.cdist(z, c).square()).columns)
    # Points alone broadcast against a stack of candidates, as slots of m layers need.
    shared = solver.match(z[0], c)
    check_matching(solver, shared, pairwise_cost(z[0], c))
    for layer in range(3):
        if not is_random(solver):
            assert torch.equal(shared.columns[layer], solver.match(z[0], c[layer]).columns)


def test_pairwise_cost_is_half_the_squared_distance_up_to_rows() -> None:
    z, c = torch.randn(2, 5, 3), torch.randn(2, 7, 3)
    distance = 0.5 * torch.cdist(z.double(), c.double()).square()
    difference = distance - pairwise_cost(z, c)
    torch.testing.assert_close(
        difference, difference.mean(-1, keepdim=True).expand_as(difference), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_matching_stays_in_float32_under_autocast(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(8)
    z = torch.randn(6, 8, generator=generator).to(dtype)
    c = torch.randn(6, 8, generator=generator)
    plain = pairwise_cost(z, c)
    with torch.autocast("cpu", torch.bfloat16):
        assert pairwise_cost(z, c).dtype == torch.float32
        assert torch.equal(pairwise_cost(z, c), plain)
        assert pairwise_cost(z.double(), c.double()).dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@by_kind
def test_answers_return_to_the_device(solver: Solver) -> None:
    cost = torch.from_numpy(make("random", 20, 20)).float().cuda()
    matching: Matching = solver.solve(cost)
    assert all(tensor.is_cuda for tensor in (matching.columns, matching.cost, matching.gap))
    on_host = matching._replace(
        columns=matching.columns.cpu(), cost=matching.cost.cpu(), gap=matching.gap.cpu()
    )
    check_matching(solver, on_host, cost.cpu())


def test_a_tensor_of_costs_may_be_cut_from_a_larger_one() -> None:
    whole: Tensor = torch.from_numpy(make("random", 30, 30))
    for solver in EVERY:
        part = whole[::2, 3:27]
        found = solver.solve(part)
        assert torch.equal(found.columns, solver.solve(part.contiguous()).columns)
