"""Every registered solver with masks of allowed pairs."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from natlib.errors import MatchingError
from natlib.solvers import Solver
from tests.core.cost_matrices import FAMILIES, make, stack
from tests.core.matchings import EVERY, check_matching, is_random, name, promised

by_kind = pytest.mark.parametrize("solver", EVERY, ids=name)
SHAPES = [(1, 1), (1, 5), (3, 3), (12, 12), (30, 30), (9, 14)]


def feasible(problems: int, b: int, k: int, density: float, seed: int) -> Tensor:
    """Random masks bool[problems, b, k], each around a matching of its own."""
    generator = np.random.default_rng(seed)
    allowed = generator.random((problems, b, k)) < density
    for mask in allowed:
        mask[np.arange(b), generator.permutation(k)[:b]] = True
    return torch.from_numpy(allowed)


@by_kind
@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 0.9, 1.0])
def test_only_allowed_pairs_are_matched(solver: Solver, density: float) -> None:
    for seed, (b, k) in enumerate(SHAPES):
        cost = torch.from_numpy(stack(FAMILIES, b, k, seed)).float()
        allowed = feasible(len(cost), b, k, density, seed)
        matching = solver.solve(cost, allowed)
        check_matching(solver, matching, cost, allowed, names=list(FAMILIES))


@by_kind
@settings(max_examples=40)
@given(
    b=st.integers(1, 9),
    extra=st.integers(0, 4),
    family=st.sampled_from(sorted(FAMILIES)),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_mask(
    solver: Solver,
    b: int,
    extra: int,
    family: str,
    density: float,
    seed: int,
    dtype: torch.dtype,
) -> None:
    cost = torch.from_numpy(make(family, b, b + extra, seed)).to(dtype)[None]
    allowed = feasible(1, b, b + extra, density, seed)
    check_matching(solver, solver.solve(cost, allowed), cost, allowed)


@by_kind
def test_classes_and_bands(solver: Solver) -> None:
    b = 60
    label = torch.arange(b) % 5
    distance = (torch.arange(b)[:, None] - torch.arange(b)).abs()
    masks = {
        "classes": label[:, None] == label,
        "band": distance <= 2,
        "half known": (label[:, None] == label) | (torch.arange(b) % 2 == 0)[:, None],
        "triangle": torch.ones(b, b).tril().bool(),
    }
    for title, allowed in masks.items():
        for family in ("random", "collapsed5", "ties", "rank1", "constants"):
            cost = torch.from_numpy(make(family, b, b)).float()
            check_matching(solver, solver.solve(cost, allowed), cost, allowed, [title])
    cost = torch.randn(b, b)
    only = solver.solve(cost, masks["triangle"])
    assert only.columns.tolist() == list(range(b))
    assert float(only.gap) <= promised(cost.diagonal()) or not solver.exact


@by_kind
def test_what_is_not_allowed_has_no_influence(solver: Solver) -> None:
    for b, k in [(20, 20), (10, 25)]:
        cost = torch.from_numpy(make("random", b, k))
        allowed = feasible(1, b, k, 0.3, b)[0]
        plain = solver.solve(cost, allowed)
        for other in (torch.nan, torch.inf, -torch.inf, 1e30, -1e30):
            found = solver.solve(cost.masked_fill(~allowed, other), allowed)
            assert torch.equal(found.columns, plain.columns)
            assert torch.equal(found.cost, plain.cost)


@by_kind
def test_a_mask_of_everything_is_no_mask(solver: Solver) -> None:
    cost = torch.from_numpy(make("random", 20, 20))
    everything = torch.ones(20, 20, dtype=torch.bool)
    with_mask, without = solver.solve(cost, everything), solver.solve(cost)
    if not is_random(solver):
        assert torch.equal(with_mask.columns, without.columns)


@by_kind
def test_one_mask_serves_a_stack(solver: Solver) -> None:
    cost = torch.from_numpy(stack(["random", "normal", "ties"], 10, 12))
    allowed = feasible(1, 10, 12, 0.4, 0)[0]
    shared = solver.solve(cost, allowed)
    check_matching(solver, shared, cost, allowed)
    repeated = solver.solve(cost, allowed.repeat(3, 1, 1))
    assert torch.equal(shared.columns, repeated.columns)
    # Points come with masks as well.
    z, c = torch.randn(3, 10, 4), torch.randn(12, 4)
    columns = solver.match(z, c, allowed).columns
    assert allowed.expand(3, -1, -1).gather(2, columns.unsqueeze(-1)).all()


@by_kind
def test_masks_without_a_matching_name_the_row(solver: Solver) -> None:
    cost = torch.zeros(2, 4, 5)
    allowed = torch.ones(2, 4, 5, dtype=torch.bool)
    allowed[1, 2] = False
    with pytest.raises(MatchingError, match=r"row 2 of problem \[1\] has no allowed column"):
        solver.solve(cost, allowed)
    crowded = torch.ones(4, 5, dtype=torch.bool)
    crowded[[0, 3]] = False
    crowded[[0, 3], 1] = True
    with pytest.raises(MatchingError, match=r"row [03] cannot get a column .* \([03]\) may take"):
        solver.solve(cost[0], crowded)


@by_kind
def test_what_is_no_mask(solver: Solver) -> None:
    with pytest.raises(MatchingError, match="needs the type bool, got"):
        solver.solve(torch.zeros(2, 2), torch.ones(2, 2))
    with pytest.raises(MatchingError, match=r"mask of the shape \[3, 2\] does not fit costs"):
        solver.solve(torch.zeros(2, 2), torch.ones(3, 2, dtype=torch.bool))
    bad = torch.tensor([[0.0, 1.0], [torch.nan, 1.0]])
    with pytest.raises(MatchingError, match="row 1 hold NaN"):
        solver.solve(bad, torch.ones(2, 2, dtype=torch.bool))
