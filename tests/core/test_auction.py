"""The auction: what it promises about its matchings, and that it always ends."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from natlib.solvers import Auction
from natlib.solvers.kernels.bidding import Auctioneer
from tests.core.cost_matrices import FAMILIES, lowest_cost, make

by_family = pytest.mark.parametrize("family", FAMILIES)
SHAPES = [(30, 30), (29, 30), (20, 30), (8, 30)]


def typical(cost: np.ndarray) -> float:
    """The unit of epsilon: root mean square of the centred costs."""
    rest = cost - cost.mean(1, keepdims=True)
    if cost.shape[0] == cost.shape[1]:
        rest = rest - rest.mean(0)
    return float(np.sqrt((rest**2).mean()))


@by_family
@pytest.mark.parametrize("epsilon", [0.1, 0.01])
def test_misses_the_optimum_by_epsilon_a_row_at_most(family: str, epsilon: float) -> None:
    for seed, (b, k) in enumerate(SHAPES):
        cost = make(family, b, k, seed)
        matching = Auction(epsilon=epsilon).solve(torch.from_numpy(cost))
        assert matching.converged
        assert not matching.exact
        rounding = 1e-9 * np.abs(cost).max()
        missed = float(matching.cost) - lowest_cost(cost)
        assert missed <= float(matching.gap) + rounding
        # Ties are broken by a ripple of 1e-5.
        assert float(matching.gap) <= b * (epsilon + 2e-5) * typical(cost) + rounding


def test_a_small_epsilon_finds_the_optimum() -> None:
    for b, k in SHAPES:
        cost = make("random", b, k, seed=b)
        matching = Auction(epsilon=1e-4).solve(torch.from_numpy(cost))
        assert float(matching.cost) == pytest.approx(lowest_cost(cost), abs=1e-12)


def test_phases_shorten_a_price_war() -> None:
    # Rows that want the same columns outbid each other by epsilon at a time.
    cost = torch.from_numpy(make("collapsed2", 120, 120))
    scaled, direct = Auction(epsilon=1e-3), Auction(epsilon=1e-3, start=1e-3)
    assert scaled.solve(cost).iterations < direct.solve(cost).iterations


@pytest.mark.parametrize("shape", [(300, 300), (280, 300)])
def test_equal_costs_take_few_rounds(shape: tuple[int, int]) -> None:
    matching = Auction().solve(torch.full(shape, 0.37))
    assert matching.converged
    assert matching.iterations < 150  # half a round for each row


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(20, 20), (20, 27)])
def test_out_of_rounds_still_deals_one_to_one(shape: tuple[int, int], masked: bool) -> None:
    b, k = shape
    cost = torch.from_numpy(np.stack([make("random", b, k, seed) for seed in range(3)]))
    generator = torch.Generator().manual_seed(0)
    allowed = torch.rand(3, b, k, generator=generator) < 0.3
    allowed |= torch.eye(b, k, dtype=torch.bool)
    matching = Auction(rounds=2).solve(cost, allowed if masked else None)
    assert not matching.converged
    assert matching.iterations == 2
    for problem, columns in enumerate(matching.columns):
        assert len(columns.unique()) == b
        if masked:
            assert allowed[problem, torch.arange(b), columns].all()
        lowest = lowest_cost(np.where(allowed[problem], cost[problem], 1e3) if masked
                             else cost[problem].numpy())  # fmt: skip
        assert float(matching.cost[problem] - matching.gap[problem]) <= lowest + 1e-9


@by_family
def test_masks_hold_and_the_gap_is_that_of_allowed_pairs(family: str) -> None:
    rng = np.random.default_rng(1)
    for b, k, share in [(25, 25, 0.2), (25, 40, 0.1), (12, 12, 0.0)]:
        cost = make(family, b, k)
        allowed = (rng.random((b, k)) < share) | np.eye(b, k, dtype=bool)[rng.permutation(b)]
        matching = Auction().solve(torch.from_numpy(cost), torch.from_numpy(allowed))
        columns = matching.columns.numpy()
        assert matching.converged
        assert len(set(columns)) == b
        assert allowed[np.arange(b), columns].all()
        rows, best = linear_sum_assignment(np.where(allowed, cost, np.inf))
        missed = float(matching.cost) - cost[rows, best].sum()
        rounding = 1e-9 * np.abs(cost).max()
        assert -rounding <= missed <= float(matching.gap) + rounding


def test_waiting_for_several_rounds_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accelerator looks for free rows less often; the bids are the same."""
    cost = torch.from_numpy(np.stack([make("random", 40, 40, seed) for seed in range(4)]))
    often = Auctioneer(cost)
    assert often.sell(torch.arange(160), 0.01, 1000)
    monkeypatch.setattr("natlib.solvers.kernels.bidding._rounds_between_checks", lambda device: 7)
    rarely = Auctioneer(cost)
    assert rarely.sell(torch.arange(160), 0.01, 1000)
    assert torch.equal(often.matched(), rarely.matched())
    assert torch.equal(often.prices(), rarely.prices())
    assert often.rounds <= rarely.rounds < often.rounds + 7
