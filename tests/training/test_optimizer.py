"""Which weights an optimiser goes over in one pass, and that nothing depends on it."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from natlib.training import SGD, AdamW, Optimizer

KINDS: dict[str, Optimizer] = {"adamw": AdamW(), "sgd": SGD(momentum=0.9)}


def network(memory_format: torch.memory_format) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 2))
    return layers.to(memory_format=memory_format)


def optimizer_of(module: nn.Module, kind: str) -> torch.optim.Optimizer:
    return KINDS[kind].build(list(module.parameters()))


def updated(module: nn.Module, optimizer: Any, steps: int) -> list[torch.Tensor]:
    for step in range(steps):
        images = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        module(images).square().mean().backward()
        optimizer.step()
    return [weight.detach().clone() for weight in module.parameters()]


@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_agrees_with_torch(kind: str) -> None:
    module, twin = (network(torch.contiguous_format) for _ in range(2))
    fast, plain = optimizer_of(module, kind), optimizer_of(twin, kind)
    assert fast.param_groups[0]["fused"]
    for group in plain.param_groups:
        group["fused"] = None
    for found, expected in zip(updated(module, fast, 5), updated(twin, plain, 5), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_goes_on_exactly_from_averages_without_strides(
    layout: torch.memory_format, kind: str
) -> None:
    module = network(layout)
    optimizer = optimizer_of(module, kind)
    updated(module, optimizer, 3)
    # What a checkpoint brings back: values in order, laid out plainly.
    state = copy.deepcopy(optimizer.state_dict())
    for averages in state["state"].values():
        for name, value in averages.items():
            if isinstance(value, torch.Tensor):
                averages[name] = value.contiguous()
    twin = copy.deepcopy(module)
    other = optimizer_of(twin, kind)
    other.load_state_dict(state)
    expected = updated(module, optimizer, 3)
    assert all(map(torch.equal, updated(twin, other, 3), expected))
