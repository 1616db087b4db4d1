"""Matching by sorting, and what holds for all solvers that work on parts: ``sliced``."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from natlib.errors import MatchingError
from natlib.solvers import Blockwise, Greedy, Lapjv, Sliced, Solver, pairwise_cost
from natlib.solvers.kernels.partition import balanced_groups, halving_order, leaf_count
from tests.core.large_pools import KINDS, check_one_to_one, points, watched
from tests.core.matchings import check_matching, paid

LOCAL = [Sliced(leaf=8), Blockwise(block=16), Blockwise(block=16, start="sliced")]


def one_sort(z: torch.Tensor, c: torch.Tensor, seed: int) -> float:
    """What it costs to sort points and candidates along one random direction."""
    generator = torch.Generator().manual_seed(seed)
    along = torch.randn(z.shape[-1], generator=generator)
    held, offered = (z @ along).argsort(), (c @ along).argsort()
    return float(pairwise_cost(z[held], c[offered]).diagonal().double().sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", LOCAL)
def test_better_than_random_and_than_a_single_sort(kind: str, solver: Solver) -> None:
    z, c = points(kind, 600, 600)
    cost = pairwise_cost(z, c)
    found = float(solver.match(z, c).cost)
    best, random = float(Lapjv().solve(cost).cost), float(cost.double().mean() * 600)
    assert best < found < random
    sorts = [one_sort(z, c, seed) for seed in range(5)]
    assert found < min(sorts)
    assert (found - best) / (random - best) < 0.5


@pytest.mark.parametrize("leaf", [4, 16])
def test_more_passes_of_sliced_cost_no_more(leaf: int) -> None:
    z, c = points("clustered", 500, 700)
    costs = [float(Sliced(leaf=leaf, passes=n).match(z, c).cost) for n in range(1, 6)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_in_one_dimension_a_sort_is_the_best_matching() -> None:
    generator = torch.Generator().manual_seed(0)
    z, c = torch.randn(2, 300, 1, generator=generator).double()
    found = Sliced(leaf=4, passes=1).match(z, c)
    assert float(found.cost) == pytest.approx(float(Lapjv().match(z, c).cost), rel=1e-9)


@pytest.mark.parametrize("solver", LOCAL)
@pytest.mark.parametrize(("b", "k"), [(97, 97), (60, 400), (5, 300), (1, 50), (33, 34)])
def test_one_to_one_with_spare_candidates(solver: Solver, b: int, k: int) -> None:
    z, c = (x.double() for x in points("random", b, k))
    check_matching(solver, solver.match(z, c), pairwise_cost(z, c))
    check_matching(solver, solver.solve(pairwise_cost(z, c)), pairwise_cost(z, c))


def test_one_leaf_is_matched_by_the_inner_solver() -> None:
    z, c = points("random", 60, 64)
    for inner in (Lapjv(), Greedy()):
        found = Sliced(leaf=64, inner=inner).match(z, c)
        assert torch.equal(found.columns, inner.match(z, c).columns)
        assert torch.equal(found.gap, inner.match(z, c).gap)


@pytest.mark.parametrize("solver", LOCAL)
@pytest.mark.parametrize(("b", "k"), [(120, 120), (80, 160)])
def test_masks_are_respected(solver: Solver, b: int, k: int) -> None:
    z, c = points("random", b, k)
    cost = pairwise_cost(z, c)
    allowed = torch.rand(b, k, generator=torch.Generator().manual_seed(1)) < 0.1
    allowed[torch.arange(b), torch.randperm(k)[:b]] = True  # at least one matching
    for found in (solver.match(z, c, allowed), solver.solve(cost, allowed)):
        check_matching(solver, found, cost, allowed)
        average = float((cost.double() * allowed).sum() / allowed.sum()) * b
        assert float(found.cost) < average


@pytest.mark.parametrize("solver", LOCAL)
def test_a_stack_is_matched_problem_by_problem(solver: Solver) -> None:
    z, c = points("random", 100, 120)
    c = torch.stack([c, c.flip(0), -c])
    stack = solver.match(z, c)
    assert stack.columns.shape == (3, 100)
    assert stack.cost.shape == stack.gap.shape == (3,)
    for columns, one in zip(stack.columns, c, strict=True):
        assert torch.equal(columns, solver.match(z, one).columns)


@pytest.mark.parametrize("solver", LOCAL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types(solver: Solver, dtype: torch.dtype) -> None:
    z, c = (x.to(dtype) for x in points("random", 150, 150))
    found = solver.match(z.requires_grad_(), c)
    assert not found.cost.requires_grad
    check_matching(solver, found, pairwise_cost(z, c))


@pytest.mark.parametrize("solver", LOCAL)
def test_same_answer_for_any_number_of_threads(solver: Solver) -> None:
    z, c = points("clustered", 400, 500)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.append(solver.match(z, c))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0].columns, other.columns) for other in found)
    assert all(torch.equal(found[0].cost, other.cost) for other in found)


@pytest.mark.parametrize("solver", LOCAL)
def test_the_seed_and_nothing_else_decides(solver: Solver) -> None:
    z, c = points("random", 400, 400)
    first = solver.match(z, c).columns
    torch.randn(1)
    np.random.default_rng().random()
    assert torch.equal(solver.match(z, c).columns, first)
    other = type(solver).model_validate({**solver.model_dump(), "seed": 1})
    assert not torch.equal(other.match(z, c).columns, first)


@pytest.mark.parametrize("solver", LOCAL)
def test_moving_and_scaling_points_changes_little(solver: Solver) -> None:
    z, c = (x.double() for x in points("random", 300, 300))
    cost = pairwise_cost(z, c)
    found = paid(cost, solver.match(z, c).columns)
    moved = paid(cost, solver.match(3 * z + 1, 3 * c - 2).columns)
    torch.testing.assert_close(moved, found, rtol=1e-3, atol=0)


@pytest.mark.parametrize("solver", LOCAL)
def test_errors_say_what_is_wrong(solver: Solver) -> None:
    z, c = points("random", 100, 100)
    bad = z.clone()
    bad[17, 3] = torch.nan
    with pytest.raises(MatchingError, match="row 17 holds NaN"):
        solver.match(bad, c)
    bad[17, 3] = torch.inf
    with pytest.raises(MatchingError, match="row 17 "):
        solver.match(torch.stack([z, bad]), c)
    with pytest.raises(MatchingError, match="row 17 "):
        solver.solve(pairwise_cost(bad, c))
    with pytest.raises(MatchingError, match="candidate"):
        solver.match(z, bad)
    with pytest.raises(MatchingError, match="100 rows cannot have one column each of only 99"):
        solver.match(z, c[:99])


@pytest.mark.parametrize("solver", LOCAL)
def test_nothing_to_match(solver: Solver) -> None:
    z, c = points("random", 100, 100)
    none = solver.match(z[:0], c)
    assert none.columns.shape == (0,)
    assert float(none.cost) == 0.0
    assert solver.match(z[:0], c[:0]).columns.shape == (0,)
    assert solver.match(z.expand(0, 100, 16), c).columns.shape == (0, 100)


@pytest.mark.parametrize("solver", LOCAL)
def test_equal_points(solver: Solver) -> None:
    z, c = torch.ones(200, 4), torch.ones(220, 4)
    check_one_to_one(solver.match(z, c).columns, 200, 220)
    check_one_to_one(solver.match(z, torch.randn(220, 4)).columns, 200, 220)


def test_holds_no_costs_but_those_of_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = watched(monkeypatch)
    z, c = points("random", 20_000, 20_000)
    found = Sliced(leaf=16, passes=2).match(z, c)
    check_one_to_one(found.columns, 20_000, 20_000)
    random = float(0.5 * 20_000 - (z.double().mean(0) @ c.double().mean(0)) * 20_000)
    assert float(found.cost) < 0.8 * random
    assert 10 < max(max(size) for size in sizes) <= 256  # what is paid is added up in 256s
    assert sum(b * k for b, k in sizes) < 20_000**2 / 20
    assert torch.isinf(found.gap)


def test_groups_are_as_large_as_each_other_and_near() -> None:
    generator = torch.Generator().manual_seed(0)
    x = F.normalize(torch.randn(103, 3, generator=generator), dim=-1).numpy()
    affinity = x @ x[:10].T
    groups = balanced_groups(affinity.copy())
    assert sorted(np.concatenate(groups)) == list(range(103))
    assert {len(group) for group in groups} == {10, 11}
    own = np.mean([affinity[group, n].mean() for n, group in enumerate(groups)])
    assert own > affinity.mean() + 0.3


def test_halves_of_halves() -> None:
    assert [leaf_count(n, 4) for n in (1, 4, 5, 8, 9, 16, 17)] == [1, 1, 2, 2, 4, 4, 8]
    x = np.random.default_rng(0).standard_normal((103, 3))
    along = np.random.default_rng(1).standard_normal((3, 3))
    order = halving_order(x, along)
    assert sorted(order) == list(range(103))

    def check(cell: np.ndarray, level: int, first: int, end: int) -> None:
        if level == 3:
            return
        # The same bounds as those of leaves in general: i n / 2^(level + 1).
        parts = 2 ** (level + 1)
        number = round(first * 2**level / 103 + 0.49)
        middle = 103 * (2 * number + 1) // parts
        lower, upper = cell[: middle - first], cell[middle - first :]
        value = x @ along[level]
        assert value[lower].max() <= value[upper].min()
        check(lower, level + 1, first, middle)
        check(upper, level + 1, middle, end)

    check(order, 0, 0, 103)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", [Sliced(leaf=8), Sliced(leaf=32, seed=5)])
@pytest.mark.parametrize(("b", "k"), [(400, 400), (300, 500)])
def test_the_same_points_in_another_order_get_the_same_matching(
    solver: Solver, kind: str, b: int, k: int
) -> None:
    z, c = points(kind, b, k)
    found = solver.match(z, c).columns
    generator = torch.Generator().manual_seed(3)
    rows = torch.randperm(b, generator=generator)
    assert torch.equal(solver.match(z[rows], c).columns, found[rows])
    columns = torch.randperm(k, generator=generator)
    assert torch.equal(columns[solver.match(z, c[columns]).columns], found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_points_matters_little_to_blockwise(kind: str) -> None:
    z, c = points(kind, 400, 400)
    random = float(pairwise_cost(z, c).double().mean() * 400)
    solver = Blockwise(block=16, start="sliced")
    found = float(solver.match(z, c).cost)
    other = float(solver.match(z[torch.randperm(400)], c).cost)
    assert abs(other - found) < 0.01 * (random - found)
