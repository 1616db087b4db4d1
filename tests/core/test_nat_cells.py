"""NAT with the centroids of semi-discrete cells in place of matched targets."""

import pytest
import torch
from pydantic import ValidationError

from natlib.assignment import Cells
from natlib.configuration import describe
from natlib.objectives import NAT
from tests.core.nat_parts import built, counter_of, features_of

CELLS = Cells(points=512)


@pytest.mark.parametrize("match_on", ["mean", "first"])
def test_views_regress_to_the_centroids_of_their_cells(match_on: str) -> None:
    module = built(
        match_on=match_on,
        assignment=CELLS,
        loss={"target_weight": 2.0, "alignment": 0.0},
    )
    for step in range(3):
        features = features_of(2, 8, seed=step)
        output = module(features)
        z = torch.stack([module.embed(view) for view in features])
        matched = module.config.targets.project(z.mean(0)) if match_on == "mean" else z[0]
        noise = module.config.targets.rows(step * 512 + torch.arange(512), torch.float64)
        centroid = CELLS.estimate(matched.detach(), noise).centroid
        expected = 2.0 * (z - centroid).square().sum(-1).mean()
        torch.testing.assert_close(output.loss, expected)
        output.loss.backward()
        assert all(view.grad is not None and view.grad.isfinite().all() for view in features)
    assert counter_of(module).taken.tolist() == [3 * 512]


def test_many_matchings_approach_the_cells() -> None:
    """Both estimate one thing: an objective of many slots regresses to nearly the same point."""
    losses = {}
    for name, values in {
        "one": {"assignment": {"kind": "stream", "slots": 1}},
        "many": {"assignment": {"kind": "stream", "slots": 200}},
        "cells": {"assignment": Cells(points=40_000, temperature=0.0)},
    }.items():
        outputs = [
            built(**values, loss={"target_weight": 1.0, "alignment": 0.0})(
                features_of(2, 60, seed=seed)
            ).loss
            for seed in range(3)
        ]
        losses[name] = float(torch.stack(outputs).detach().mean())
    assert abs(losses["cells"] - losses["many"]) < 0.25 * abs(losses["cells"] - losses["one"])


def test_measures_and_evaluation() -> None:
    module = built(assignment=CELLS)
    output = module(features_of(2, 8), health=True)
    assert {"matched_cosine", "own_cosine", "random_cosine", "uneven_cells"} <= set(output.health)
    assert float(output.health["matched_cosine"]) > float(output.health["own_cosine"])
    assert 0 < float(output.health["random_cosine"]) < 1
    module.eval()
    losses = [module(features_of(2, 8)).loss for _ in range(2)]
    assert torch.equal(*losses)
    assert counter_of(module).taken.tolist() == [512]


def test_a_state_dict_resumes_it() -> None:
    module, fresh = (
        built(assignment=CELLS),
        built(assignment=CELLS),
    )
    module(features_of(2, 8))
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(*(one(features_of(2, 8, seed=1)).loss for one in (module, fresh)))


def test_it_needs_fixed_targets() -> None:
    with pytest.raises(ValidationError) as caught:
        NAT(assignment=CELLS, targets="mean_prototypes")  # type: ignore[arg-type]
    assert "assignment 'cells' needs fixed targets" in describe(caught.value)
    assert (
        "targets 'mean_prototypes' learn; set assignment to stream, or choose other targets"
        in describe(caught.value)
    )


def test_a_solver_without_a_matching_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        NAT.model_validate({"assignment": {"kind": "cells", "solver": "greedy"}})
    assert "unknown key 'assignment.solver'" in describe(caught.value)


def test_a_preview_estimates_cells_of_other_targets_and_changes_nothing() -> None:
    module = built(assignment=CELLS)
    z = module.config.targets.rows(torch.arange(8), torch.float64)
    first, again, other = (module.assignment.preview(z, seed).targets for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert counter_of(module).taken.tolist() == [0]
