"""The loss of random points, against the loss that training logs for them."""

from typing import Any

import pytest
import torch

from natlib.objectives import NAT, NATModule, random_target_loss

BATCH = 24
CELLS = {"kind": "cells", "points": 512}
PUSHED = {"repulsion": {"weight": 1.0}}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"match_on": "first"},
    {"loss": PUSHED},
    {"assignment": CELLS},
    {"assignment": CELLS, "loss": PUSHED},
    {"targets": {"kind": "gaussian", "dim": 8}, "loss": PUSHED},
    {"assignment": {"kind": "bank", "slots": 4}},
]


@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_it_equals_what_training_logs_for_random_embeddings(values: dict[str, Any]) -> None:
    config = NAT(**{"targets": {"kind": "uniform_sphere", "dim": 8}, "head": "linear"} | values)
    module = config.build(config.targets.dim, samples=60 * BATCH)
    assert isinstance(module, NATModule)
    module.head = torch.nn.Identity()
    logged = []
    for step in range(60):
        views = config.targets.rows(2**55 + torch.arange(2 * BATCH) + 100 * step)
        index = torch.arange(step * BATCH, (step + 1) * BATCH)
        logged.append(float(module(views.split(BATCH), index).parts["target"]))
    mean = sum(logged) / len(logged)
    assert random_target_loss(config, BATCH) == pytest.approx(mean, rel=0.05)
