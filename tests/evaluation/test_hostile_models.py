"""Model folders that somebody else made: no more memory than their weights, one error."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from natlib.encoders import MlpEncoder
from natlib.errors import CheckpointError, NatlibError
from natlib.families import ASSIGNMENTS, ENCODERS, OBJECTIVES, SOLVERS, TARGETS
from natlib.model import load, save_model
from natlib.objectives import NAT
from natlib.runtime.model_size import no_larger_than
from natlib.targets import Gaussian
from tests.evaluation.gaussian_blobs import FEATURES, GaussianBlobs

HUGE = 10**10
EMPTY = hashlib.sha256(b"").hexdigest()
WEIGHTS = {"a": torch.zeros(10)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    recipe, objective = MlpEncoder(widths=(8, 4)), NAT(targets=Gaussian(dim=3))
    encoder = recipe.build((FEATURES,))
    save_model(
        folder, encoder, objective.build(encoder.dim, samples=9),
        recipe=recipe, objective=objective, modality=GaussianBlobs(),
    )  # fmt: skip
    load(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def change(folder: Path, key: str, value: Any) -> None:
    """Set a key of ``model.json``, such as ``encoder.widths``."""
    file = folder / "model.json"
    description = json.loads(file.read_text())
    *parents, last = key.split(".")
    inner = description
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    file.write_text(json.dumps(description))


def refused(folder: Path) -> str:
    """What loading says, in one line and without more memory than a few hundred MiB."""
    before = _peak()
    with pytest.raises(NatlibError) as caught:
        load(folder)
    assert _peak() - before < 700 << 20
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _peak() -> int:
    """The most bytes that this process has had."""
    resource = pytest.importorskip("resource")
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoder.widths", [10**5, 10**5]),
        ("encoder.widths", [10**30]),
        ("encoder.widths", [1] * 10**5),
        ("encoder.widths", [-1]),
        ("objective.head.widths", [10**5, 10**5]),
        ("objective.targets.dim", 10**9),
        ("objective.targets.dim", 10**19),
        ("objective.assignment", {"kind": "bank", "slots": 10**12}),
        ("objective.targets", {"kind": "prototypes", "count": 10**12, "dim": 3}),
        ("input_shape", [10**12]),
        ("input_shape", [-5]),
        ("input_shape", [10**6] * 4),
        ("input_shape", []),
        ("input_shape", {"a": 1}),
        ("encoder", {"kind": "mlp", "widths": [8, 4], "dropout": "x"}),
        ("encoder", "mlp"),
        ("encoder", None),
        ("fitted", None),
        ("fitted", {"../../secret": EMPTY}),
        ("fitted", {"a": 1}),
        ("fitted", ["a"]),
        ("sha256", "abc"),
        ("sha256", ["a"]),
        ("format", None),
    ],
)  # fmt: skip
def test_a_description_that_does_not_fit_its_weights_is_refused(
    folder: Path, key: str, value: Any
) -> None:
    change(folder, key, value)
    refused(folder)


def _sizes() -> list[tuple[str, str, str]]:
    """Every setting of every part of a model that is a whole number, or a list of them."""
    where = {
        "encoder": ENCODERS, "objective": OBJECTIVES, "objective.targets": TARGETS,
        "objective.assignment": ASSIGNMENTS, "objective.assignment.solver": SOLVERS,
    }  # fmt: skip
    return [
        (key, kind, name)
        for key, registry in where.items()
        for kind in registry.kinds()
        for name, field in registry.get(kind).model_fields.items()
        if "int" in str(field.annotation)
    ]


@pytest.mark.parametrize(("key", "kind", "name"), _sizes())
def test_no_size_of_any_part_fills_the_memory(folder: Path, key: str, kind: str, name: str) -> None:
    before = _peak()
    for value in (10**6, 10**13, [10**6, 10**6]):
        change(folder, key, {"kind": kind, name: value})
        # Some are of no use to a model, such as a seed.
        with contextlib.suppress(NatlibError):
            load(folder)
    assert _peak() - before < 700 << 20


def test_layers_and_widths_are_named(folder: Path) -> None:
    change(folder, "encoder.widths", [10**5, 10**5])
    assert "model.json in" in (said := refused(folder))
    assert "describes a model of more than 10,000,000,000 values, and its weights have " in said
    change(folder, "encoder.widths", [1] * 10**5)
    assert "tensors, and its weights have " in refused(folder)


@pytest.mark.parametrize(
    "text",
    ["[" * 10**5, '{"format": ' * 10**4, "[]", "3", '"x"', "null", '{"format": 1e999}', "{}"],
)
def test_a_description_of_another_kind_is_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    refused(folder)


@pytest.mark.parametrize("name", ["model.json", "encoder.safetensors", "head.safetensors"])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "link to itself"])
def test_what_is_no_file_is_refused(folder: Path, name: str, what: str) -> None:
    (folder / name).unlink()
    if what == "pipe":
        os.mkfifo(folder / name)
    elif what == "device":
        (folder / name).symlink_to("/dev/zero")
    elif what == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to(name)
    assert name in refused(folder)


def test_a_pipe_among_fitted_files_is_not_opened(folder: Path) -> None:
    (folder / "fitted").mkdir(exist_ok=True)
    os.mkfifo(folder / "fitted" / "words")
    load(folder)
    change(folder, "fitted", {"words": "0" * 64})
    assert "words is missing" in refused(folder)


class TestSize:
    """A model is refused before it is there."""

    @pytest.mark.parametrize(
        "build",
        [
            lambda: nn.Linear(10**5, 10**5),
            lambda: nn.Linear(10**5, 10**5, device="meta"),
            lambda: nn.Embedding(10**9, 64),
            lambda: nn.Conv1d(10**5, 10**5, 10),
            lambda: nn.MultiheadAttention(10**5, 1),
            lambda: nn.LSTM(10**5, 10**5),
            lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(10**7))),
            lambda: nn.Sequential(*(nn.LayerNorm(1) for _ in range(10**7))),
            lambda: _nested(10**7),
            lambda: [nn.Linear(4000, 4000) for _ in range(10**4)],
            lambda: [nn.LazyLinear(10**5) for _ in range(10**7)],
            lambda: [nn.Module().register_buffer("a", torch.zeros(10**6)) for _ in range(10**4)],
        ],
    )
    def test_layers(self, build: Callable[[], Any]) -> None:
        before = _peak()
        with (
            no_larger_than(WEIGHTS, "it"),
            pytest.raises(CheckpointError, match="describes a model of more than"),
        ):
            build()
        assert _peak() - before < 700 << 20

    @pytest.mark.parametrize(
        "make",
        [
            lambda: torch.zeros(HUGE),
            lambda: torch.zeros(10**300),
            lambda: torch.zeros(10**5, 10**5),
            lambda: torch.empty((10**5, 10**5)),
            lambda: torch.ones(size=(HUGE,)),
            lambda: torch.rand([HUGE]),
            lambda: torch.randn(torch.Size([HUGE])),
            lambda: torch.full((HUGE,), 1.0),
            lambda: torch.full(size=(HUGE,), fill_value=1.0),
            lambda: torch.empty_strided((HUGE,), (1,)),
            lambda: torch.normal(0.0, 1.0, (HUGE,)),
            lambda: torch.normal(0.0, 1.0, size=(HUGE,)),
            lambda: torch.randint(0, 5, (HUGE,)),
            lambda: torch.randint(5, size=(HUGE,)),
            lambda: torch.arange(HUGE),
            lambda: torch.arange(0, HUGE, 2),
            lambda: torch.arange(end=HUGE),
            lambda: torch.linspace(0, 1, HUGE),
            lambda: torch.linspace(0, 1, steps=HUGE),
            lambda: torch.logspace(0, 1, HUGE),
            lambda: torch.randperm(HUGE),
            lambda: torch.eye(10**5),
            lambda: torch.eye(10**5, m=10**5),
            lambda: torch.zeros(1).new_zeros(HUGE),
            lambda: torch.zeros(1).new_empty((HUGE,)),
            lambda: torch.zeros(1).new_full((HUGE,), 1),
            lambda: torch.zeros(2).repeat(HUGE),
            lambda: torch.zeros(2).repeat((HUGE, 1)),
        ],
    )
    def test_tensors(self, make: Callable[[], Tensor]) -> None:
        with no_larger_than(WEIGHTS, "it"), pytest.raises(CheckpointError, match="it describes a"):
            make()

    def test_what_is_no_larger_is_built_as_always(self) -> None:
        def build() -> list[nn.Module]:
            torch.manual_seed(3)
            layers = [
                nn.Linear(40, 30),
                nn.MultiheadAttention(8, 2),
                nn.LSTM(3, 4),
                nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 2)),
                nn.BatchNorm1d(5),
                nn.Embedding(5, 6),
            ]
            nn.init.orthogonal_(layers[0].weight)  # type: ignore[arg-type]
            nn.init.trunc_normal_(layers[5].weight)  # type: ignore[arg-type]
            layers[0].register_buffer("b", torch.arange(0, 7, 2) + torch.randint(0, 3, (4,)))
            layers[0].register_parameter("none", None)
            return layers

        free = build()
        with no_larger_than(WEIGHTS, "it"):
            bound = build()
            nn.LazyLinear(3)
        for one, other in zip(free, bound, strict=True):
            for name, tensor in one.state_dict().items():
                assert torch.equal(tensor, other.state_dict()[name])
        # Nothing is counted any more.
        assert nn.Linear(1, 1).weight.numel() == 1
        nn.ModuleList(nn.ReLU() for _ in range(20_000))


def _nested(depth: int) -> nn.Module:
    outer = nn.Module()
    for _ in range(depth):
        inner, outer = outer, nn.Module()
        outer.inner = inner
    return outer
