"""Losses that compare all samples of a step, labels and class slots: two processes equal one."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import natlib
from natlib.data import TrainingLabels, training_labels, training_samples
from natlib.encoders import Encoder, MlpEncoder
from natlib.objectives import Objective
from natlib.objectives import masked as masked_module
from natlib.runtime.progress import SilentProgress
from natlib.targets import Mixture
from natlib.training import RunConfig, RunDirectory
from natlib.training.batch_norm import synchronise_batch_norm
from natlib.training.checkpoint import latest_checkpoint
from natlib.training.learner import Learner
from natlib.training.loop import Loop
from natlib.training.processes import Processes, training_processes
from tests.evaluation.gaussian_blobs import GaussianBlobs
from tests.processes import in_two_processes
from tests.training.support import go_on, toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run
from tests.training.test_two_processes import BATCH, Halves

PARTS: dict[str, Any] = {
    "vicreg": {"kind": "vicreg", "dim": 6},
    "nt_xent": {"kind": "nt_xent", "dim": 6, "views": 3},
    "sigreg": {"kind": "sigreg", "dim": 6, "slices": 16, "gaussianity": 0.3},
    "supervised": {"kind": "supervised", "views": 2},
    "rotation": {"kind": "rotation"},
    "masked": {"kind": "masked", "projections": {"dim": 6}},
    "masked_features": {"kind": "masked", "projections": None},
}
OBJECTIVES = PARTS | {
    "combined": {
        "kind": "combined",
        "views": 3,
        "parts": {name: {"objective": part} for name, part in PARTS.items()},
    },
}
CASES = [(name, accumulate) for name in OBJECTIVES for accumulate in (1, 2)]
# Uneven on purpose: the second process has hardly any label.
LABELS = torch.tensor([0, 1, 2, 0, 1, 0, -1, 2, -1, -1, -1, 1, -1, -1, -1] * 3)[:40]


class Pictures(Halves):
    """The fixed views as square images."""

    def views(self, batch: Any, count: int) -> list[Tensor]:
        return [view.view(-1, 3, 2, 2) for view in super().views(batch, count)]


class Plain(Encoder):
    """Without batch norm, to which it matters which samples are turned in which pass."""

    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh())

    def forward(self, inputs: Tensor) -> Tensor:
        return self.body(inputs)  # type: ignore[no-any-return]

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        return {"body": self(inputs)}


def one_update(name: str, accumulate: int, processes: Processes) -> dict[str, Any]:
    objective: Objective = Objective.resolve(OBJECTIVES[name]).for_classes([1, 1, 1])
    torch.manual_seed(0)
    turns = name in ("rotation", "combined")
    encoder = Plain() if turns else MlpEncoder(widths=(16, 8)).build((12,))
    learner = Learner(encoder, objective.build(8, samples=40)).double()
    synchronise_batch_norm(learner, processes.device)
    modality = Pictures(train=40)
    samples = modality.dataset("train")
    assert samples is not None
    samples.usable = torch.arange(BATCH * accumulate)
    config = toy_config(
        batch_size=BATCH, epochs=1, accumulate=accumulate,
        optimizer={"kind": "sgd", "learning_rate": 1e-9},
    ).training  # fmt: skip
    labels = TrainingLabels(LABELS, LABELS, ["a", "b", "c"])
    loop = Loop(config, modality, samples, learner, objective.views, processes, 0, labels)
    # What is masked is drawn by each process for itself; here it is no chance.
    with mock.patch.object(masked_module, "corrupt", lambda view, *_: view.flip(-1)):
        for _ in loop.run(SilentProgress()):
            pass
    loop.close()
    learner.objective.merge()
    gradients = {n: p.grad for n, p in learner.named_parameters()}
    return {"gradients": gradients, "state": learner.state_dict()}


def all_updates(folder: Path) -> None:
    with training_processes("cpu") as processes:
        for name, accumulate in CASES:
            found = one_update(name, accumulate, processes)
            torch.save(found, folder / f"{name}-{accumulate}-{processes.rank}.pt")


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("updates")
    in_two_processes(all_updates, folder)
    return folder


@pytest.mark.parametrize(("name", "accumulate"), CASES)
def test_gradients_equal_those_of_one_process(name: str, accumulate: int, updated: Path) -> None:
    alone = one_update(name, accumulate, Processes(0, 1, torch.device("cpu")))
    for rank in range(2):
        two = torch.load(updated / f"{name}-{accumulate}-{rank}.pt", weights_only=True)
        assert alone["gradients"].keys() == two["gradients"].keys()
        for parameter, gradient in alone["gradients"].items():
            torch.testing.assert_close(two["gradients"][parameter], gradient, rtol=1e-8, atol=1e-11)
            assert gradient.abs().max() > 1e-6 or parameter.endswith("bias"), parameter
        for buffer, value in alone["state"].items():
            if "running_" in buffer or not value.is_floating_point():
                torch.testing.assert_close(two["state"][buffer], value, rtol=1e-9, atol=1e-12)


# --- whole runs


def semi_config(**labels: Any) -> RunConfig:
    slots = {
        "kind": "nat", "targets": {"kind": "mixture", "dim": 8},
        "assignment": {
            "kind": "bank", "slots": 2, "class_targets": "labelled",
            "reassign": {"every": 2, "block": 16},
        },
    }  # fmt: skip
    parts = {
        "nat": {"objective": slots},
        "named": {"objective": "supervised"},
        "hidden": {"objective": "masked", "schedule": {"kind": "cosine", "epochs": 3}},
        "spread": {"objective": "sigreg", "weight": 0.1},
    }
    config = toy_config(Objective.resolve({"kind": "combined", "parts": parts}), train=83)
    asked = {"fraction": 0.25, "share": 0.4} | labels
    return RunConfig.model_validate(config.model_dump() | {"data": config.data, "labels": asked})


def begin(run: Path, stop: int | None) -> None:
    natlib.train(semi_config(), run, progress=StopAfter(stop) if stop else None)


def check_table(run: Path) -> None:
    """Labelled samples own slots of their classes, in all layers, after all is merged."""
    config = RunDirectory(run).read_config()
    assert config.labels is not None
    found = training_labels(training_samples(config.data), config.labels)
    state = load_file(latest_checkpoint(run / "checkpoints") / "weights.safetensors")
    table = state["objective.parts.nat.assignment.table.permutation"]
    assert torch.equal(table.sort(-1).values, torch.arange(83).expand(2, -1))
    targets = config.objective.parts["nat"].objective.targets  # type: ignore[attr-defined]
    assert isinstance(targets, Mixture)
    index = found.index
    for layer in range(2):
        owned = targets.component_of(table[layer, index] + layer * 2**32)
        assert torch.equal(owned, found.visible[index])
    assert len(index) == 21  # a quarter of 28, 28 and 27


def test_two_processes_resume_exactly_and_keep_classes(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    in_two_processes(begin, whole, None)
    in_two_processes(begin, part, 10)
    assert latest_checkpoint(part / "checkpoints").name == "step-000000010"
    in_two_processes(go_on, part)
    assert_same_run(whole, part)
    check_table(whole)


@pytest.mark.parametrize("stop", [7, 14])
def test_one_process_resumes_exactly_and_keeps_classes(stop: int, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    natlib.train(semi_config(), whole)
    natlib.train(semi_config(), part, progress=StopAfter(stop))
    # The configuration may be given again, as it was before labels were counted.
    natlib.resume(part, config=semi_config())
    assert_same_run(whole, part)
    check_table(whole)
    config = RunDirectory(whole).read_config()
    assert config.labels is not None
    assert config.labels.classes == {"c0": 7, "c1": 7, "c2": 7}


def test_blobs_are_as_the_tests_assume() -> None:
    assert GaussianBlobs(train=83).dataset("train").labels.bincount().tolist() == [28, 28, 27]  # type: ignore[union-attr]
