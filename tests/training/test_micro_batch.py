"""A batch that is encoded in parts has the gradient of the whole."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import natlib
from natlib.assignment import Assignment
from natlib.encoders import MlpEncoder
from natlib.errors import ConfigError
from natlib.objectives import NAT, Combined, Objective, Part
from natlib.training import RunConfig, RunDirectory, TrainingConfig
from natlib.training.fitting import batch as fitting_batch
from natlib.training.fitting.activations import activation_bytes
from natlib.training.fitting.batch import fitting_micro_batch
from natlib.training.learner import Learner
from natlib.training.loop import Loop
from natlib.training.micro_batch import encode_in_parts, parts_of
from natlib.training.preparation import prepare
from natlib.training.processes import Processes
from tests.core.families import members
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run, metrics

SAMPLES, FEATURES = 13, 6
ALONE = Processes(0, 1, torch.device("cpu"))

# Everything that is registered, and the parts of NAT that see the views or the encoder.
OBJECTIVES: dict[str, Objective] = {
    **{each.kind: each for each in members(Objective) if each.kind != "combined"},
    **{f"nat, {each.kind}": NAT(assignment={"kind": each.kind}) for each in members(Assignment)},
    "nat, teacher": NAT(teacher={"momentum": 0.9}),
    "nat, one view": NAT(views=1, assignment="bank", loss={"alignment": 0, "reduction": "sum"}),
    "nat, first view": NAT(match_on="first"),
    "combined": Combined(
        parts={
            "nat": Part(objective=NAT()),
            "masked": Part(objective=Objective.resolve({"kind": "masked"})),
        }
    ),
}


class Dropping(nn.Module):
    """An encoder without batch norm, with dropout."""

    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, 16), nn.GELU(), nn.Dropout(0.5), nn.Linear(16, 8)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs)  # type: ignore[no-any-return]


class Plain(Dropping):
    """The same without dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATURES, 16), nn.GELU(), nn.Linear(16, 8))


def step(objective: Objective, parts: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of a step in double precision."""
    torch.manual_seed(0)
    objective = objective.for_classes([6, 4])
    learner = Learner(Plain(), objective.build(8, samples=SAMPLES)).double()  # type: ignore[arg-type]
    labels = (torch.arange(SAMPLES) % 4 - 2).clamp_min(-1)
    learner.objective.take_labels(labels, ["a", "b"])
    views = list(torch.randn(objective.views, SAMPLES, FEATURES, dtype=torch.float64))
    output = learner(views, torch.arange(SAMPLES), labels=labels, epoch=0, health=True, parts=parts)
    output.loss.backward()
    gradients = {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
    return output.loss.detach(), gradients


@pytest.mark.parametrize("parts", [2, 5])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_parts_have_the_gradient_of_the_whole(name: str, parts: int) -> None:
    try:
        loss, gradients = step(OBJECTIVES[name], 1)
    except ConfigError as error:
        pytest.skip(f"not for vectors: {error}")
    loss_of_parts, gradients_of_parts = step(OBJECTIVES[name], parts)
    torch.testing.assert_close(loss_of_parts, loss, rtol=1e-12, atol=1e-12)
    assert gradients.keys() == gradients_of_parts.keys()
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(gradients_of_parts[parameter], gradient, rtol=1e-9, atol=1e-12)
    assert any(gradient.abs().max() > 1e-6 for gradient in gradients.values())


def gradients_of(encoder: nn.Module, features: Tensor) -> list[Tensor]:
    encoder.zero_grad()
    features.square().sum().backward()
    return [parameter.grad.clone() for parameter in encoder.parameters()]  # type: ignore[union-attr]


def test_dropout_is_the_same_when_a_part_is_encoded_again() -> None:
    torch.manual_seed(0)
    encoder, inputs = Dropping(), torch.randn(SAMPLES, FEATURES)
    torch.manual_seed(1)
    plain = torch.cat([encoder(part) for part in inputs.tensor_split(3)])
    expected = gradients_of(encoder, plain)
    torch.manual_seed(1)
    parts = encode_in_parts(encoder, inputs, 3)
    drawn = torch.rand(4)  # by whoever comes next
    assert torch.equal(parts, plain)
    for ours, theirs in zip(gradients_of(encoder, parts), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.manual_seed(1)
    encode_in_parts(encoder, inputs, 3)
    assert torch.equal(torch.rand(4), drawn)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_counts_each_part_once(momentum: float | None) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(SAMPLES, FEATURES)
    norms = [nn.BatchNorm1d(FEATURES, momentum=momentum) for _ in range(2)]
    plain = torch.cat([norms[0](part) for part in inputs.tensor_split(3)])
    parts = encode_in_parts(norms[1], inputs, 3)
    expected, found = gradients_of(norms[0], plain), gradients_of(norms[1], parts)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    for name, value in norms[0].state_dict().items():
        assert torch.equal(norms[1].state_dict()[name], value), name
    assert norms[1].num_batches_tracked == 3


def test_only_one_part_is_kept_at_a_time() -> None:
    """What autograd holds between the passes are inputs, features and what the loss needs."""
    encoder, inputs = Plain(), torch.randn(64, FEATURES)
    most = 0

    class Watching(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            nonlocal most
            most = max(most, len(inputs))
            return encoder(inputs)  # type: ignore[no-any-return]

    watching = Watching()
    whole = activation_bytes(encoder, inputs)

    class InParts(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return encode_in_parts(watching, inputs, 8)

    assert activation_bytes(InParts(), inputs) < whole / 4
    assert most == 8


def test_activations_are_those_that_the_layers_keep() -> None:
    """By hand: GELU keeps its input and the second layer its own: 16 numbers a sample each."""
    encoder = Plain()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert activation_bytes(encoder, torch.randn(10, FEATURES)) == 2 * 10 * 16 * 4
    assert activation_bytes(encoder, torch.randn(20, FEATURES)) == 2 * 20 * 16 * 4
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("samples", "size", "parts"), [(8, None, 1), (8, 8, 1), (8, 3, 3), (9, 1, 9)]
)
def test_parts_are_no_larger_than_asked_for(samples: int, size: int | None, parts: int) -> None:
    assert parts_of(samples, size) == parts
    if size is not None:
        assert max(len(part) for part in torch.arange(samples).tensor_split(parts)) <= size


# Runs.


def config_for(**training: Any) -> RunConfig:
    objective = NAT(assignment={"kind": "bank", "slots": 2})
    return toy_config(objective, **training).model_copy(update={"encoder": MlpEncoder(widths=(8,))})


def test_a_run_in_parts_resumes_exactly(tmp_path: Path) -> None:
    config = config_for(micro_batch=5)
    natlib.train(config, tmp_path / "whole")
    natlib.train(config, tmp_path / "part", progress=StopAfter(7))
    natlib.resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "part")


def loop_for(config: RunConfig) -> Loop:
    samples = config.data.dataset("train")
    assert samples is not None
    return prepare(config, samples, None, ALONE)


def test_what_fits_into_memory_is_chosen_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_for(config_for(micro_batch="auto"))
    each = fitting_micro_batch(loop).needed / loop.largest_share
    state = 3 * 4 * sum(p.numel() for p in loop.learner.parameters())

    def chosen(samples: float) -> int | None:
        """Where there is memory for so many samples, of both views."""
        free = state + samples * each / 0.8
        monkeypatch.setattr(fitting_batch, "available_memory", lambda device: int(free))
        return fitting_micro_batch(loop).micro_batch

    # A part is of one view only.
    assert [chosen(n) for n in (17, 15, 4.1, 2.1, 0)] == [None, 16, 8, 4, 2]
    monkeypatch.setattr(fitting_batch, "available_memory", lambda device: int(state + 5 * each))
    natlib.train(config_for(micro_batch="auto"), tmp_path / "auto")
    written = RunDirectory(tmp_path / "auto").read_config()
    assert written.training.micro_batch == 8
    natlib.train(config_for(micro_batch=8), tmp_path / "said")
    assert_same_run(tmp_path / "auto", tmp_path / "said")
    # The same command again, by a scheduler, on a machine with more memory.
    monkeypatch.setattr(fitting_batch, "available_memory", lambda device: 2**40)
    again = natlib.train(config_for(micro_batch="auto"), tmp_path / "auto", continue_run=True)
    assert again.found_finished


def test_where_everything_fits_auto_changes_nothing(tmp_path: Path) -> None:
    natlib.train(config_for(micro_batch="auto"), tmp_path / "auto")
    natlib.train(config_for(), tmp_path / "plain")
    assert_same_run(tmp_path / "auto", tmp_path / "plain")
    assert RunDirectory(tmp_path / "auto").read_config().training.micro_batch is None


def test_what_cuts_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="micro_batch is 16 and batch_size 16, so no batch"):
        TrainingConfig(micro_batch=16, batch_size=16)
    with pytest.raises(ConfigError, match="batch norm, which needs two or more samples"):
        loop_for(config_for(micro_batch=1))
