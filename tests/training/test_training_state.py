"""What training keeps for every sample, in parts that come from elsewhere: it trains, resumes,
reloads, and is no part of a model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import natlib
from natlib.assignment import Assigned, Assignment, AssignmentModule, Step
from natlib.component import register
from natlib.encoders import LinearHead
from natlib.objectives import (
    NAT,
    Combined,
    Objective,
    ObjectiveModule,
    ObjectiveOutput,
    Part,
    embed_views,
)
from natlib.runtime.training_state import TrainingState, training_states
from natlib.targets import TargetModule
from natlib.testing import check_assignment, check_objective
from natlib.training.checkpoint import latest_checkpoint
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run

SAMPLES = 80


class Memory(TrainingState):
    """The mean embedding of each sample so far."""

    means: Tensor

    def __init__(self, samples: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(samples, dim))
        self.folder: Path | None = None
        self.merges = 0

    def setup(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def merge(self) -> None:
        self.merges += 1


class RememberModule(ObjectiveModule):
    def __init__(self, feature_dim: int, samples: int) -> None:
        super().__init__()
        self.head = LinearHead().build(feature_dim, 3)
        self.memory = Memory(samples, 3)

    def embed(self, features: Tensor) -> Tensor:
        z: Tensor = self.head(features)
        return z.float()

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        assert index is not None
        z = embed_views(list(features), self.embed).mean(0)
        loss = (z - self.memory.means[index] - 1).square().mean()
        if self.training:
            self.memory.means[index] = 0.5 * self.memory.means[index] + 0.5 * z.detach()
        return ObjectiveOutput(loss, {"memory": loss.detach()}, {"spread": z.detach().std()})


@register
class Remember(Objective):
    """An objective with a row for every sample."""

    kind: Literal["remember"] = "remember"

    def build(self, feature_dim: int, samples: int | None = None) -> ObjectiveModule:
        assert samples is not None
        return RememberModule(feature_dim, samples)


class FollowModule(AssignmentModule[tuple[Tensor, Tensor]]):
    def __init__(self, targets: TargetModule, samples: int) -> None:
        super().__init__(targets)
        self.memory = Memory(samples, targets.distribution.dim)

    def begin(self, z_BD: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        assert step.index is not None
        return z_BD, step.index

    def finish(self, pending: tuple[Tensor, Tensor]) -> Assigned:
        z_BD, index = pending
        if not z_BD.isfinite().all():
            raise natlib.errors.MatchingError("NaN; check the embeddings")
        own_BD = self.targets.rows(index).to(z_BD)
        aim_BD = own_BD + 0.1 * self.memory.means[index]
        if self.training:
            self.memory.means[index] = z_BD
        return Assigned(aim_BD[None], own_BD[None], {})

    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        own_BD = self.targets.rows(2**50 + seed * len(z_BD) + torch.arange(len(z_BD))).to(z_BD)
        return Assigned(own_BD[None], own_BD[None], {})


@register
class Follow(Assignment):
    """An assignment with a row for every sample."""

    kind: Literal["follow"] = "follow"

    def build(self, targets: TargetModule, samples: int | None = None) -> FollowModule:
        assert samples is not None
        return FollowModule(targets, samples)


BOTH = {"a": Part(objective=Remember()), "b": Part(objective=NAT(assignment=Follow()))}
WAYS: dict[str, tuple[Objective, str]] = {
    "objective": (Remember(), "memory"),
    "assignment": (NAT(assignment=Follow()), "assignment.memory"),
    "both, combined": (Combined(parts=BOTH), "parts.b.assignment.memory"),
}


def test_they_keep_their_contracts() -> None:
    assert check_objective(Remember())
    assert check_assignment(Follow())


@pytest.mark.parametrize("way", WAYS)
def test_it_trains_resumes_and_reloads(way: str, tmp_path: Path) -> None:
    objective, name = WAYS[way]
    config = toy_config(objective, train=SAMPLES)
    natlib.train(config, tmp_path / "whole")
    stopped = natlib.train(config, tmp_path / "part", progress=StopAfter(7))
    assert not stopped.finished
    natlib.resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    run = tmp_path / "whole"
    saved = load_file(latest_checkpoint(run / "checkpoints") / "weights.safetensors")
    means = saved[f"objective.{name}.means"]
    assert len(means) == SAMPLES
    assert (means != 0).any(1).all()
    assert (run / "objective" / name).is_dir()
    head = load_file(run / "model" / "head.safetensors")
    assert not any("memory" in key or "assignment" in key for key in head)
    model = natlib.load(run)
    vectors = model.embed(torch.zeros(3, *model.modality.input_shape), output="head")
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("way", WAYS)
def test_merge_and_setup_reach_it_at_any_depth(way: str, tmp_path: Path) -> None:
    objective, name = WAYS[way]
    module = objective.build(6, samples=4)
    module.setup(tmp_path)
    module.merge()
    found: dict[str, Any] = dict(training_states(module))
    assert found[name].merges == 1
    assert found[name].folder == tmp_path / name
