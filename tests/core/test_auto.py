"""What the solver ``auto`` chooses, and that it says so."""

import logging

import pytest
import torch

from natlib.solvers import Auction, Auto, Blockwise, Greedy, Lapjv, Solver, Sparse, pairwise_cost
from natlib.solvers import auto as module
from tests.core.cost_matrices import make
from tests.core.matchings import check_matching


@pytest.mark.parametrize(
    ("quality", "b", "k", "device", "chosen"),
    [
        ("exact", 8, 8, "cpu", Lapjv()),
        ("exact", 4095, 4095, "cpu", Lapjv()),
        ("exact", 4096, 4096, "cpu", Sparse()),
        ("exact", 4096, 4096, "cuda", Sparse()),
        ("exact", 4096, 4097, "cpu", Lapjv()),
        ("exact", 256, 256, "cuda", Lapjv()),
        ("fast", 256, 256, "cpu", Lapjv()),
        ("fast", 2048, 2048, "cpu", Greedy(order="priced")),
        ("fast", 1024, 4096, "cpu", Lapjv()),
        ("fast", 16_384, 16_384, "cpu", Greedy(order="priced")),
        ("fast", 16_385, 16_385, "cpu", Blockwise(start="sliced")),
        ("fast", 256, 100_000, "cpu", Lapjv()),
        ("exact", 20_000, 20_000, "cpu", Sparse()),
        ("fast", 256, 256, "cuda", Auction()),
        ("fast", 100_000, 100_000, "cuda", Blockwise(start="sliced")),
    ],
)
def test_the_choice(quality: str, b: int, k: int, device: str, chosen: Solver) -> None:
    auto = Auto.model_validate({"quality": quality})
    assert auto.choose(b, k, device) == chosen
    assert auto.choose(b, k, torch.device(device)) == chosen
    assert auto.exact is (quality == "exact")
    # Only exact solvers are chosen for exact matchings.
    assert chosen.exact or not auto.exact


@pytest.mark.parametrize(
    ("solver", "size", "device", "on_host"),
    [
        (Lapjv(), 300, "cuda", True),
        (Auction(), 300, "cuda", False),
        (Auto(), 300, "cuda", True),
        (Auto(quality="fast"), 300, "cuda", False),  # auction
        (Auto(quality="fast"), 300, "cpu", True),
        (Auto(quality="fast"), 20_000, "cuda", False),  # blockwise, from points
        (Blockwise(block=300), 300, "cuda", True),
        (Blockwise(block=299), 300, "cuda", False),
        (Blockwise(block=300, inner=Auction()), 300, "cuda", False),
    ],
)
def test_costs_go_to_the_host_only_where_they_are_solved_there(
    solver: Solver, size: int, device: str, on_host: bool
) -> None:
    assert solver.runs_on_host(size, size, device) is on_host


def test_it_solves_as_what_it_chose() -> None:
    cost = torch.from_numpy(make("random", 600, 600)).float()
    z, c = torch.randn(600, 8), torch.randn(600, 8)
    for auto in (Auto(), Auto(quality="fast")):
        chosen = auto.choose(600, 600)
        found = auto.solve(cost)
        check_matching(auto, found, cost)
        assert torch.equal(found.columns, chosen.solve(cost).columns)
        assert torch.equal(found.gap, chosen.solve(cost).gap)
        assert torch.equal(auto.match(z, c).columns, chosen.match(z, c).columns)
    assert float(Auto(quality="fast").solve(cost).cost) > float(Auto().solve(cost).cost)


def test_it_says_once_what_it_chose(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_said", set())
    # Whoever set up natlib's own log before does not matter here.
    monkeypatch.setattr(logging.getLogger("natlib"), "propagate", True)
    with caplog.at_level(logging.INFO, "natlib"):
        for _ in range(3):
            Auto().solve(torch.rand(2, 4, 5))
            Auto().match(torch.rand(4, 3), torch.rand(5, 3))
        Auto(quality="fast").solve(torch.rand(4, 5))
    assert [record.getMessage() for record in caplog.records] == [
        "solver auto (exact): lapjv matches 4 rows with 5 columns on cpu",
        "solver auto (fast): lapjv matches 4 rows with 5 columns on cpu",
    ]


def test_large_exact_problems_are_sparse_ones_unless_there_is_a_mask(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SPARSE", 40)
    monkeypatch.setattr(module, "_said", set())
    monkeypatch.setattr(logging.getLogger("natlib"), "propagate", True)
    z, c = torch.randn(40, 8), torch.randn(40, 8)
    everything = torch.ones(40, 40, dtype=torch.bool)
    with caplog.at_level(logging.INFO, "natlib"):
        found = [Auto().match(z, c), Auto().match(z, c, everything)]
        found += [Auto().solve(pairwise_cost(z, c)), Auto().solve(pairwise_cost(z, c), everything)]
    for one in found:
        assert torch.equal(one.columns, Lapjv().match(z, c).columns)
        assert one.exact
    assert [record.getMessage() for record in caplog.records] == [
        "solver auto (exact): sparse matches 40 rows with 40 columns on cpu",
        "solver auto (exact): lapjv matches 40 rows with 40 columns on cpu",
    ]


def test_large_fast_problems_have_no_costs_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FITS", 800**2 - 1)
    auto, z, c = Auto(quality="fast"), torch.randn(800, 8), torch.randn(800, 8)
    found = auto.match(z, c)
    assert torch.equal(found.columns, Blockwise(start="sliced").match(z, c).columns)
    assert torch.isinf(found.gap)
    # Where costs are there anyway, they are used.
    for known in (auto.solve(pairwise_cost(z, c)), auto.match(z, c, torch.ones(800, 800) > 0)):
        assert torch.equal(known.columns, Greedy(order="priced").match(z, c).columns)
