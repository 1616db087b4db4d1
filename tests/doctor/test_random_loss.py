"""The loss below which something has been learnt."""

from typing import Any

import pytest
import torch

from natlib.doctor.random_loss import random_target_loss
from natlib.objectives import NAT, NATModule

BATCH = 24
VARIANTS: list[dict[str, Any]] = [
    {},
    {"anchor": "first"},
    {"repulsion": 1.0},
    {"semidiscrete": {"points": 512}},
    {"semidiscrete": {"points": 512}, "repulsion": 1.0},
    {"targets": {"kind": "gaussian", "dim": 8}, "repulsion": 1.0},
    {"ownership": "bank", "pool": 8},
]


@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_it_is_what_training_logs_of_random_embeddings(values: dict[str, Any]) -> None:
    config = NAT(**{"targets": {"kind": "uniform_sphere", "dim": 8}, "head": "linear"} | values)
    module = config.build(config.targets.dim, samples=60 * BATCH)
    assert isinstance(module, NATModule)
    module.head = torch.nn.Identity()
    logged = []
    for step in range(60):
        views = config.targets.rows(2**55 + torch.arange(2 * BATCH) + 100 * step)
        index = torch.arange(step * BATCH, (step + 1) * BATCH)
        logged.append(float(module(views.split(BATCH), index).parts["target"]))
    if config.pool:
        # The queue was empty in the first step.
        logged = logged[1:]
    mean = sum(logged) / len(logged)
    assert random_target_loss(config, BATCH) == pytest.approx(mean, rel=0.05)
