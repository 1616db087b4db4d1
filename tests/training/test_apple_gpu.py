"""An encoder on a GPU of Apple (mps), which is not here: other devices stand in for it."""

import copy
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import natlib
from natlib.encoders import computes_on, data_device, encoders_in, place_encoder
from natlib.objectives import NAT
from natlib.training.learner import Learner
from natlib.training.micro_batch import encode_in_parts
from natlib_image.encoders.convnet import ConvNet
from tests.cli.command import DIGITS, SMALL, assert_refused
from tests.cli.command import natlib as command

MPS = torch.device("mps")
_to = nn.Module.to


def test_only_there_the_encoder_is_alone() -> None:
    assert data_device(MPS) == torch.device("cpu")
    for name in ("cpu", "cuda:1"):
        assert data_device(torch.device(name)) == torch.device(name)
    encoder = ConvNet(widths=[4, 8]).build((3, 8, 8))
    place_encoder(encoder, "cpu")
    assert not {"forward", "stages"} & vars(encoder).keys()


def test_inputs_are_brought_there_and_outputs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake tensors compute no values, but refuse operands that are on different devices."""
    monkeypatch.setattr("natlib.encoders.placement._ALONE", {"lazy"})
    with FakeTensorMode():
        with torch.device("lazy"):
            encoder = ConvNet(widths=[4, 8]).build((3, 8, 8))
        names = list(encoder.state_dict())
        inputs = torch.randn(4, 3, 8, 8)
        with pytest.raises(RuntimeError, match="found two different devices"):
            encoder(inputs)
        with mock.patch.object(nn.Module, "to"):  # it is there
            place_encoder(encoder, "lazy")
            place_encoder(encoder, "lazy")
        assert computes_on(encoder).type == "lazy"
        features = encoder(inputs)
        assert features.device.type == "cpu"
        features.square().sum().backward()
        assert {w.grad.device.type for w in encoder.parameters() if w.grad is not None} == {"lazy"}
        for vectors in (encoder.stages(inputs), encoder.stage_vectors(inputs, 8)):
            assert {vector.device.type for vector in vectors.values()} == {"cpu"}
        assert list(encoder.state_dict()) == names


def test_a_copy_computes_where_its_own_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natlib.encoders.placement.data_device", lambda device: MPS)
    encoder = ConvNet(widths=[4, 8]).build((3, 8, 8)).eval()
    inputs = torch.randn(4, 3, 8, 8)
    before = encoder(inputs)
    place_encoder(encoder, "cpu")
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    assert torch.equal(encoder(inputs), before)
    assert not other(inputs).any()
    assert not other.stages(inputs)["pool"].any()


def test_a_teacher_goes_there_too() -> None:
    values = {"teacher": {}, "loss": {"alignment": 1.0}, "head": "linear"}
    encoder = ConvNet(widths=[4, 8]).build((3, 8, 8))
    objective = NAT.model_validate(values).build(encoder.dim, samples=8)
    learner = Learner(encoder, objective)
    assert encoders_in(learner) == [encoder, objective.teacher.encoder]  # type: ignore[union-attr]


class Noisy(nn.Module):
    """Draws from a generator of its own, as dropout on a GPU does."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, inputs: Tensor) -> Tensor:
        shape = (len(inputs), 3)
        out: Tensor = self.linear(inputs) * torch.rand(shape, generator=self.generator)
        return out


def test_parts_draw_the_same_numbers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, inputs = Noisy(), torch.randn(6, 4)
    monkeypatch.setattr("torch.mps.get_rng_state", encoder.generator.get_state)
    monkeypatch.setattr("torch.mps.set_rng_state", encoder.generator.set_state)
    monkeypatch.setattr("natlib.training.micro_batch.computes_on", lambda _: MPS)
    found = []
    for parts in (1, 3):
        encoder.zero_grad()
        encoder.generator.manual_seed(5)
        encode_in_parts(encoder, inputs, parts).square().sum().backward()
        assert encoder.linear.weight.grad is not None
        after = torch.rand(1, generator=encoder.generator)
        found.append((encoder.linear.weight.grad.clone(), after))
    (whole, next_whole), (in_parts, next_in_parts) = found
    torch.testing.assert_close(whole, in_parts)
    assert torch.equal(next_whole, next_in_parts)


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pretend that there is such a GPU; what is moved there is noted, and stays."""
    moved: list[Any] = []

    def move(module: nn.Module, device: Any = None, *more: Any, **named: Any) -> nn.Module:
        if device == MPS:
            moved.append(type(module).__name__)
            return module
        return _to(module, device, *more, **named)

    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr(nn.Module, "to", move)
    return moved


def test_a_run_there_moves_its_encoder_and_nothing_else(apple: list[Any], tmp_path: Path) -> None:
    runs = {}
    for device in ("cpu", "mps"):
        run = tmp_path / device
        said = command("train", *DIGITS, "--device", device, "--out", run)
        assert said.code == 0, said.err
        lines = (run / "metrics.jsonl").read_text().splitlines()
        runs[device] = [json.loads(line)["loss"] for line in lines]
        assert json.loads((run / "run.json").read_text())["device"] == device
    assert runs["cpu"] == runs["mps"]
    encoder = type(natlib.load(run).encoder).__name__
    assert apple == [encoder]
    apple.clear()
    model = natlib.load(tmp_path / "cpu", "mps")
    assert apple == [encoder]
    assert model.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["--precision", "bf16"], {}, ["training.precision is bf16", "set it to fp32"]),
        ([], {"WORLD_SIZE": "2"}, ["'mps' serves one process", "torchrun"]),
    ],
)
def test_what_does_not_go_there(
    arguments: list[str],
    variables: dict[str, str],
    words: list[str],
    apple: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = ("--out", tmp_path / "run")
    said = command("train", *DIGITS, "--device", "mps", *arguments, *out)
    assert_refused(said, *words)
    assert not (tmp_path / "run").exists()


def test_without_one_it_is_one_line(tmp_path: Path) -> None:
    said = command(
        "train", "--modality", "image", *SMALL, "--device", "mps", "--out", tmp_path / "r"
    )
    assert_refused(said, "device 'mps' was asked for", "no GPU of Apple", "use 'cpu' or 'auto'")
    assert not (tmp_path / "r").exists()
