"""Combined objectives: sums, schedules, extra inputs, comparison of gradients."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from natlib.assignment import Stream
from natlib.configuration import describe
from natlib.errors import ConfigError
from natlib.objectives import NAT, Combined, CombinedModule, Part, VICReg
from natlib.objectives.combined_module import compare_gradients
from natlib.runtime.progress import SilentProgress
from natlib.solvers import Greedy
from natlib.training import RunConfig, compose
from tests.core.nat_parts import IdentityHead
from tests.evaluation.gaussian_blobs import GaussianBlobs

DIM = 6
PARTS: dict[str, Any] = {
    "nat": {
        "objective": {"kind": "nat", "assignment": {"kind": "stream", "slots": 2}},
        "weight": 2.0,
    },
    "turned": {"objective": {"kind": "rotation", "copies": 2}, "weight": 0.5},
    "spread": {"objective": {"kind": "vicreg", "views": 3}},
    "hidden": {"objective": "masked", "weight": 0.25},
    "named": {"objective": "supervised", "weight": 3.0},
}


def combined(views: int = 3, **parts: Any) -> Combined:
    return Combined.model_validate({"views": views, "parts": parts or PARTS})


def built(config: Combined, samples: int | None = None) -> CombinedModule:
    torch.manual_seed(0)
    module = config.for_classes([5, 5]).build(DIM, samples)
    assert isinstance(module, CombinedModule)
    return module


class Encoder(nn.Module):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(2 * 4 * 4, DIM)
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(images.flatten(1))  # type: ignore[no-any-return]


IMAGES = torch.randn(3, 8, 2, 4, 4, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 1, -1, -1, 1, 0, -1, 0])


def step(module: CombinedModule, encoder: Encoder, epoch: int = 0, health: bool = True) -> Any:
    views = list(IMAGES)
    torch.manual_seed(3)
    inputs = [*views, *module.extra_inputs(views)]
    features = (encoder(each) for each in inputs)
    return module(features, torch.arange(8), labels=LABELS, epoch=epoch, health=health)


def test_the_loss_is_the_weighted_sum_of_the_parts() -> None:
    config, encoder = combined(), Encoder()
    module = built(config)
    output = step(module, encoder)
    assert encoder.calls == 3 + 2 + 1
    total = 0.0
    own = built(config).modules_by_name()
    for name, part in config.parts.items():
        alone = own[name]
        views = list(IMAGES[: part.objective.views])
        torch.manual_seed(3)
        inputs = [*views, *alone.extra_inputs(views)]
        result = alone(map(Encoder(), inputs), torch.arange(8), labels=LABELS)
        torch.testing.assert_close(output.parts[name], result.loss.detach())
        for sub, value in result.parts.items():
            torch.testing.assert_close(output.parts[f"{name}_{sub}"], value)
        total += part.weight * float(result.loss.detach())
    assert float(output.loss.detach()) == pytest.approx(total, rel=1e-6)


def test_the_main_part_is_the_first() -> None:
    module = built(combined())
    features = torch.randn(8, DIM)
    module.eval()
    own = module.modules_by_name()["nat"]
    assert torch.equal(module.embed(features), own.embed(features))
    assert module.head is own.head
    assert module.get_submodule("head") is own.head
    output = step(module, Encoder())
    assert {"matched_cosine", "spread_embedding_std", "turned_turn_accuracy"} <= set(output.health)


def test_each_part_has_a_head_of_its_own_and_every_weight_a_gradient() -> None:
    module, encoder = built(combined()), Encoder()
    heads = [part.head for part in module.modules_by_name().values()]
    assert len({id(head) for head in heads}) == 5
    assert len(module.state_dict()) == len(set(module.state_dict()))
    step(module, encoder).loss.backward()
    for name, weight in [*encoder.named_parameters(), *module.named_parameters()]:
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0 or name.endswith("bias"), name


def test_features_are_computed_when_a_part_first_takes_them() -> None:
    """So that a matching may begin before the second view is there."""
    order: list[str] = []

    class Told(IdentityHead):
        def build(self, feature_dim: int, target_dim: int) -> nn.Module:
            class Head(nn.Module):
                def forward(self, z: Tensor) -> Tensor:
                    order.append("head")
                    return z

            return Head()

    nat = NAT(
        targets={"kind": "uniform_sphere", "dim": DIM},
        head=Told(),
        assignment={"kind": "stream", "slots": 2},
    )  # type: ignore[arg-type]
    module = Combined(parts={"nat": Part(objective=nat)}).build(DIM)

    def features() -> Iterator[Tensor]:
        for view in range(2):
            order.append(f"view {view}")
            yield torch.randn(8, DIM)

    module(features())
    assert order == ["view 0", "head", "view 1", "head"]


# --- schedules

RAMP = {"start": 1.0, "begin": 2, "epochs": 4}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [3.0] * 8),
        ({"kind": "linear", **RAMP}, [1.0, 1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0]),
        (
            {"kind": "cosine", **RAMP},
            [1.0] * 3 + [2 - math.cos(math.pi * t / 4) for t in (1, 2, 3)] + [3.0, 3.0],
        ),
    ],
)
def test_schedules(schedule: Any, expected: list[float]) -> None:
    part = Part(objective=VICReg(), weight=3.0, schedule=schedule)
    assert [part.weight_in(epoch) for epoch in range(8)] == pytest.approx(expected)


def test_the_loss_uses_the_weight_of_the_epoch() -> None:
    parts = PARTS | {"spread": PARTS["spread"] | {"schedule": {"kind": "linear", "epochs": 2}}}
    outputs = [step(built(combined(**parts)), Encoder(), epoch) for epoch in range(3)]
    spread = [float(output.loss.detach()) for output in outputs]
    part = float(outputs[0].parts["spread"])
    assert spread[1] - spread[0] == pytest.approx(0.5 * part, rel=1e-5)
    assert spread[2] - spread[0] == pytest.approx(part, rel=1e-5)
    assert [float(output.health["weight_spread"]) for output in outputs] == [0.0, 0.5, 1.0]


# --- gradients


def test_gradients_are_compared_per_sample() -> None:
    one, two, extra = (torch.randn(4, 3, requires_grad=True) for _ in range(3))
    direction = torch.randn(4, 3)
    losses = {
        "a": (direction * one).sum(),
        "b": -2 * (direction * two).sum(),  # of another view of the same samples
        "c": (direction * extra).sum() * 0.5 + (direction * one).sum() * 0.5,
        "d": torch.zeros((), requires_grad=True) * 1.0,
    }
    found = compare_gradients(losses, {"a": 3.0, "b": 1.0, "c": 0.0, "d": 1.0}, [one, two, extra])
    assert float(found["gradient_cosine_a_b"]) == pytest.approx(-1)
    assert float(found["gradient_cosine_a_c"]) == pytest.approx(1)
    assert float(found["gradient_cosine_a_d"]) == 0
    shares = [float(found[f"gradient_share_{name}"]) for name in "abcd"]
    assert shares == pytest.approx([0.6, 0.4, 0.0, 0.0])


def test_comparing_gradients_changes_nothing() -> None:
    gradients = []
    for health in (False, True):
        module, encoder = built(combined()), Encoder()
        output = step(module, encoder, health=health)
        assert any(name.startswith("gradient_cosine") for name in output.health) == health
        output.loss.backward()
        gradients.append([weight.grad for weight in (*encoder.parameters(), *module.parameters())])
    for left, right in zip(*gradients, strict=True):
        assert left is not None
        assert right is not None
        assert torch.equal(left, right)


def test_without_gradients_there_is_nothing_to_compare() -> None:
    with torch.no_grad():
        output = step(built(combined()).eval(), Encoder())
    assert not any(name.startswith("gradient") for name in output.health)


# --- what parts keep


def test_parts_are_merged_set_up_and_reassigned(tmp_path: Path) -> None:
    bank = {"kind": "nat", "assignment": {"kind": "bank", "slots": 1, "reassign": {"block": 4}}}
    config = combined(2, one={"objective": bank}, two={"objective": bank})
    module = config.build(DIM, samples=8)
    module.setup(tmp_path)
    assert module.before_epoch(0) is None
    module([torch.randn(8, DIM)] * 2, torch.arange(8))
    module.merge()
    work = module.before_epoch(1)
    assert work is not None
    assert work(SilentProgress())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "parts.one.assignment",
        "parts.two.assignment",
    ]


# --- configuration


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"parts": {}}, "parts: dictionary should have at least 1 item"),
        ({}, "parts: a value is needed"),
        ({"parts": {"A b": {"objective": "vicreg"}}}, "parts: 'A b' is no name for a part; use"),
        ({"parts": {"values": {"objective": "vicreg"}}}, "torch reserves the name 'values'"),
        (
            {"parts": {"nat": {"objective": {"kind": "nat", "views": 4}}}},
            "the part 'nat' needs 4 views, and there are 2; set views to 4",
        ),
        (
            {"views": 3, "parts": {"a": {"objective": "vicreg"}, "b": {"objective": "rotation"}}},
            "no part uses more than 2 of the 3 views; set views to 2",
        ),
        ({"parts": {"a": {"objective": "vicreg", "weight": 0}}}, "all weights are 0"),
        (
            {"parts": {"a": {"objective": "vicrag"}}},
            "parts.a.objective: unknown objective 'vicrag'; did you mean 'vicreg'?",
        ),
        (
            {"parts": {"a": {"objective": "vicreg", "wieght": 2}}},
            "unknown key 'parts.a.wieght'; did you mean 'weight'?",
        ),
    ],
)
def test_invalid_configurations_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Combined.model_validate(values)
    assert text in describe(caught.value)


def test_a_part_that_sums_its_loss_is_refused() -> None:
    bank = {"kind": "nat", "assignment": {"kind": "bank"}, "loss": {"reduction": "sum"}}
    config = combined(2, a={"objective": bank}, b={"objective": "vicreg"})
    with pytest.raises(ConfigError, match=r"set objective\.parts\.a\.objective\.loss\.red"):
        config.build(DIM, samples=8)


def test_features_that_no_part_takes_are_refused() -> None:
    module = combined(2, a={"objective": "vicreg"}).build(DIM)
    with pytest.raises(ConfigError, match="needs the features of 2 inputs, got 3; encode"):
        module([torch.randn(8, DIM)] * 3)


def test_settings_reach_a_part_by_its_name() -> None:
    base = RunConfig(
        data=GaussianBlobs(),
        objective=combined(2, nat={"objective": "nat"}, objective={"objective": "sigreg"}),
    )
    changed = compose(
        base=base,
        settings=[
            "objective.parts.nat.objective.assignment.slots=3",
            "objective.parts.nat.objective.assignment.solver=greedy",
            "objective.parts.objective.objective=vicreg",
            "objective.parts.more.objective=nt_xent",
        ],
    ).objective
    assert isinstance(changed, Combined)
    nat = changed.parts["nat"].objective
    assert isinstance(nat, NAT)
    assert nat.assignment == Stream(slots=3, solver=Greedy())
    assert changed.parts["objective"].objective.kind == "vicreg"
    assert changed.parts["more"].objective.kind == "nt_xent"
