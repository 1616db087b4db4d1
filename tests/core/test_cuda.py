"""What only an accelerator can show: everything lands where it belongs, and agrees with the CPU."""

from typing import Any

import pytest
import torch

from natlib.objectives import NAT
from natlib.solvers import Solver
from natlib.targets import TargetDistribution
from tests.core.families import members
from tests.core.nat_parts import features_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
CUDA = torch.device("cuda")


@pytest.mark.parametrize("solver", members(Solver), ids=lambda s: s.kind)
def test_solvers_answer_on_the_device_of_the_costs(solver: Solver) -> None:
    cost = torch.randn(5, 60, 60, generator=torch.Generator().manual_seed(0))
    here, there = solver.solve(cost), solver.solve(cost.to(CUDA))
    for value in (there.columns, there.cost, there.gap):
        assert value.device.type == "cuda"
    if solver.exact:
        torch.testing.assert_close(here.cost, there.cost.cpu(), rtol=1e-6, atol=1e-4)
    everyone = torch.arange(60).expand(5, -1)
    assert torch.equal(there.columns.sort(-1).values.cpu(), everyone)


@pytest.mark.parametrize("targets", members(TargetDistribution), ids=lambda t: t.kind)
def test_targets_agree_between_devices(targets: TargetDistribution) -> None:
    slot = torch.arange(1000)
    torch.testing.assert_close(
        targets.rows(slot.to(CUDA)).cpu(), targets.rows(slot), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    "assignment",
    [
        {"kind": "bank", "slots": 2},
        {"kind": "stream", "slots": 2},
        {"kind": "stream", "slots": 2, "solver": "greedy"},
        {"kind": "cells", "points": 512},
    ],
    ids=str,
)
@pytest.mark.parametrize("match_on", ["first", "mean"])
def test_a_step_agrees_between_devices(assignment: dict[str, Any], match_on: str) -> None:
    values = {"match_on": match_on, "head": "linear", "assignment": assignment}
    objective = NAT.model_validate(values)
    here = objective.build(32, samples=200).double()
    there = objective.build(32, samples=200).double()
    there.load_state_dict(here.state_dict())
    there.to(CUDA)
    index = torch.randperm(200)[:50]
    for step in range(4):
        features = features_of(2, 50, dim=32, seed=step)
        loss = here(features, index).loss
        other = there((view.to(CUDA) for view in features), index.to(CUDA)).loss
        torch.testing.assert_close(other.cpu(), loss, rtol=1e-6, atol=1e-8)
