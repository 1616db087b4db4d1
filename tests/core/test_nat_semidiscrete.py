"""NAT with the centroids of semi-discrete cells in place of matched targets."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from natlib.assignment import SemiDiscrete
from natlib.configuration import describe
from natlib.objectives import NAT
from tests.core.nat_parts import built, features_of

CELLS = SemiDiscrete(points=512)


@pytest.mark.parametrize("anchor", ["mean", "first"])
def test_views_regress_to_the_centroids_of_their_cells(anchor: str) -> None:
    module = built(semidiscrete=CELLS, anchor=anchor, target_weight=2.0, alignment=0.0)
    for step in range(3):
        features = features_of(2, 8, seed=step)
        output = module(features)
        z = torch.stack([module.embed(view) for view in features])
        voted = module.config.targets.project(z.mean(0)) if anchor == "mean" else z[0]
        noise = module.config.targets.rows(step * 512 + torch.arange(512), torch.float64)
        centroid = CELLS.cells(voted.detach(), noise).centroid
        expected = 2.0 * (z - centroid).square().sum(-1).mean()
        torch.testing.assert_close(output.loss, expected)
        output.loss.backward()
        assert all(view.grad is not None and view.grad.isfinite().all() for view in features)
    assert module.counter is not None
    assert module.counter.taken.tolist() == [3 * 512]
    assert int(module.step) == 3


def test_many_matchings_come_near_to_the_cells() -> None:
    """Both estimate one thing: an objective of many slots regresses to nearly the same point."""
    losses = {}
    for name, values in {
        "one": {"slots": 1},
        "many": {"slots": 200},
        "cells": {"semidiscrete": SemiDiscrete(points=40_000, temperature=0.0)},
    }.items():
        outputs = [
            built(target_weight=1.0, alignment=0.0, **values)(features_of(2, 60, seed=seed)).loss
            for seed in range(3)
        ]
        losses[name] = float(torch.stack(outputs).detach().mean())
    assert abs(losses["cells"] - losses["many"]) < 0.25 * abs(losses["cells"] - losses["one"])


def test_measures_and_evaluation() -> None:
    module = built(semidiscrete=CELLS)
    output = module(features_of(2, 8), health=True)
    assert {"matched_cosine", "own_cosine", "random_cosine", "uneven_cells"} <= set(output.health)
    assert float(output.health["matched_cosine"]) > float(output.health["own_cosine"])
    assert 0 < float(output.health["random_cosine"]) < 1
    module.eval()
    losses = [module(features_of(2, 8)).loss for _ in range(2)]
    assert torch.equal(*losses)
    assert module.counter is not None
    assert module.counter.taken.tolist() == [512]


def test_a_state_dict_carries_it_on() -> None:
    module, fresh = built(semidiscrete=CELLS), built(semidiscrete=CELLS)
    module(features_of(2, 8))
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(*(one(features_of(2, 8, seed=1)).loss for one in (module, fresh)))


@pytest.mark.parametrize("values", [{"ownership": "bank"}, {"pool": 10}])
def test_it_needs_a_stream_without_a_pool(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        NAT(semidiscrete=CELLS, **values)
    assert "semidiscrete is for ownership 'stream' without a pool" in describe(caught.value)


def test_it_needs_fixed_targets() -> None:
    with pytest.raises(ValidationError) as caught:
        NAT(semidiscrete=CELLS, targets={"kind": "prototypes", "learn": "mean"})  # type: ignore[arg-type]
    assert "semidiscrete estimates cells of fixed targets" in describe(caught.value)


def test_a_solver_that_would_have_nothing_to_do_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        NAT(semidiscrete=CELLS, solver="greedy")  # type: ignore[arg-type]
    assert "solver is 'greedy'; leave the solver out" in describe(caught.value)
