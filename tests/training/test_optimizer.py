"""Which weights an optimiser updates in one pass, without a difference; optimisers of plug-ins."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn

import natlib
from natlib.training import SGD, AdamW, Optimizer, Schedule
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run, metrics

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


class Adagrad(Optimizer):
    """As a plug-in would bring it."""

    kind: Literal["test_adagrad"] = "test_adagrad"

    def build(self, weights: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(weights, lr=self.learning_rate, weight_decay=self.weight_decay)


class Halving(Schedule):
    """As a plug-in would bring it."""

    kind: Literal["test_halving"] = "test_halving"

    def factor(self, progress: float) -> float:
        return 0.5 ** int(4 * progress)


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for cls in (Adagrad, Halving):
        registry = cls.registry
        monkeypatch.setattr(registry, "_builtin", {**registry._builtin})
        registry.add(cls)


@pytest.mark.usefixtures("plugged_in")
def test_kinds_from_outside_train_and_resume_exactly(tmp_path: Path) -> None:
    config = toy_config(optimizer="test_adagrad", schedule="test_halving")
    natlib.train(config, tmp_path / "whole")
    natlib.train(config, tmp_path / "part", progress=StopAfter(7))
    natlib.resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "part")
    rates = [line["learning_rate"] for line in metrics(tmp_path / "whole")]
    # Twenty updates, two of which warm up.
    assert rates[2:] == pytest.approx([4e-3 * 0.5 ** int(4 * n / 18) for n in range(18)])
