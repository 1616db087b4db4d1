"""Refreshes between epochs, in the loop: with resumes, signals and two processes."""

import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

import natlib
from natlib.assignment.embedding_cache import EmbeddingCache
from natlib.configuration import describe
from natlib.errors import CheckpointError, ConfigError
from natlib.objectives import NAT
from natlib.runtime.progress import SilentProgress
from natlib.training.checkpoint import latest_checkpoint
from natlib.training.config import RunConfig
from tests.processes import in_two_processes
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run

OBJECTIVE: dict[str, Any] = {
    "views": 1, "targets": {"kind": "uniform_sphere", "dim": 6}, "loss": {"alignment": 0},
    "assignment": {
        "kind": "bank", "slots": 2, "every": 1000, "reassign": {"every": 2, "block": 16},
    },
}  # fmt: skip


def config(**training: Any) -> RunConfig:
    return toy_config(NAT.model_validate(OBJECTIVE), **training)


def log(run: Path) -> list[str]:
    lines = (run / "train.log").read_text().splitlines()
    return [
        line.split("reassigned the table ")[1] for line in lines if "reassigned the table" in line
    ]


def table(run: Path, number: int = -1) -> Tensor:
    folder = sorted((run / "checkpoints").iterdir())[number]
    return load_file(folder / "weights.safetensors")["objective.assignment.table.permutation"]


def test_the_table_is_reassigned_before_every_second_epoch(tmp_path: Path) -> None:
    natlib.train(config(epochs=5, keep_checkpoints=9), tmp_path / "run")
    assert [line.split(":")[0] for line in log(tmp_path / "run")] == [
        "after epoch 1",
        "after epoch 3",
    ]
    # Epoch 0 matches batches; from then on only reassignments do.
    tables = [table(tmp_path / "run", number) for number in range(5)]
    changed = [not torch.equal(a, b) for a, b in itertools.pairwise(tables)]
    assert changed == [False, True, False, True]
    for one in tables:
        assert torch.equal(one.sort(-1).values, torch.arange(80).expand(2, -1))


def test_it_matches_by_the_embeddings_of_the_epoch_before(tmp_path: Path) -> None:
    natlib.train(config(epochs=3, keep_checkpoints=9), tmp_path / "run")
    embeddings, seen = EmbeddingCache(tmp_path / "run" / "objective" / "assignment", 80, 6).read(1)
    assert seen.tolist() == list(range(80))
    own = natlib.AssignmentTable(80, 2)
    own.permutation.copy_(table(tmp_path / "run", 1))
    result = natlib.reassign(
        embeddings, own, NAT.model_validate(OBJECTIVE).targets, block=16, seed=1, index=seen
    )
    assert result.costs[-1] < result.before
    assert torch.equal(own.permutation, table(tmp_path / "run", 2))


@pytest.mark.parametrize("stop", [5, 10, 12, 15])
def test_a_resumed_run_is_the_uninterrupted_one(stop: int, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    natlib.train(config(), whole)
    stopped = natlib.train(config(), parts, progress=StopAfter(stop))
    assert not stopped.finished
    natlib.resume(parts)
    assert_same_run(whole, parts)


class SignalIn(SilentProgress):
    """Sends SIGTERM when a stage has come to a step."""

    def __init__(self, stage: str) -> None:
        self.wanted, self.current = stage, ""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.current = name

    def advance(self, done: int, note: str = "") -> None:
        if self.current == self.wanted:
            os.kill(os.getpid(), signal.SIGTERM)
            self.wanted = ""


def test_a_signal_in_the_middle_of_a_reassignment_loses_nothing(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    natlib.train(config(), whole)
    stopped = natlib.train(config(), parts, progress=SignalIn("reassignment"))
    assert not stopped.finished
    assert stopped.signal == signal.SIGTERM
    assert stopped.step == 10
    assert latest_checkpoint(parts / "checkpoints").name == "step-000000010"
    assert (parts / "objective" / "assignment" / "reassignment.safetensors").exists()
    assert natlib.resume(parts).finished
    assert not (parts / "objective" / "assignment" / "reassignment.safetensors").exists()
    assert_same_run(whole, parts)


def reassigned_by_two(run: Path) -> None:
    natlib.train(config(epochs=3, batch_size=20), run)


def test_two_processes_share_one_reassignment(tmp_path: Path) -> None:
    in_two_processes(reassigned_by_two, tmp_path / "run")
    assert len(log(tmp_path / "run")) == 1
    assert torch.equal(table(tmp_path / "run").sort(-1).values, torch.arange(80).expand(2, -1))
    _, seen = EmbeddingCache(tmp_path / "run" / "objective" / "assignment", 80, 6).read(1)
    assert len(seen) == 80


def test_a_loop_of_ones_own_is_told_what_it_lacks(tmp_path: Path) -> None:
    module = NAT.model_validate(OBJECTIVE).build(8, samples=20)
    assert module.before_epoch(0) is None
    assert module.before_epoch(1) is None
    with pytest.raises(ConfigError, match=r"call setup\(folder\) before training"):
        module.before_epoch(2)
    module.setup(tmp_path)
    module([torch.randn(20, 8)], torch.arange(20), epoch=1)
    work = module.before_epoch(2)
    assert work is not None
    assert work(SilentProgress())


def test_embeddings_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "embeddings-0.npy", np.zeros((5, 3), np.float16))
    with pytest.raises(CheckpointError, match=r"holds \[5, 3\] of float16, not \[7, 3\]"):
        EmbeddingCache(tmp_path, 7, 3)


def test_a_stream_has_nothing_to_reassign() -> None:
    with pytest.raises(ValidationError) as caught:
        NAT.model_validate({"assignment": {"kind": "stream", "reassign": {"every": 1}}})
    assert "unknown key 'assignment.reassign'" in describe(caught.value)


def test_metrics_go_on_through_a_reassignment(tmp_path: Path) -> None:
    natlib.train(config(), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [line["step"] for line in lines] == list(range(1, 21))
    # Epoch 1 ends with step 10: what samples own is nearer to them after the reassignment.
    before = [line["own_cosine"] for line in lines[5:10]]
    after = [line["own_cosine"] for line in lines[10:15]]
    assert np.mean(after) > np.mean(before)
