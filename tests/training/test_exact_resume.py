"""Training 2N updates equals training N, stopping, resuming N: bit for bit on a CPU."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import natlib
from natlib.objectives import NAT
from natlib.training import SGD, AdamW, Optimizer, RunConfig, RunDirectory, SilentProgress
from natlib.training.checkpoint import latest_checkpoint
from tests.training.support import toy_config

OBJECTIVES: dict[str, dict[str, Any]] = {
    "stream": {},
    "bank": {"assignment": {"kind": "bank", "slots": 2}},
    "teacher": {"teacher": {"momentum": 0.8}, "assignment": {"kind": "stream", "slots": 2}},
    "bank_by_step": {"assignment": {"kind": "bank", "slots": 1, "every": 3, "unit": "step"}},
    "paper": {
        "views": 1, "head": "linear", "assignment": {"kind": "bank", "slots": 1, "every": 3},
        "loss": {"alignment": 0.0, "reduction": "sum"},
    },
    "cells": {"assignment": {"kind": "cells", "points": 64}},
}  # fmt: skip

OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": AdamW(learning_rate=0.01),
    "sgd": SGD(learning_rate=0.01, momentum=0.9),
}


class StopAfter(SilentProgress):
    """Asks the process to stop, as Ctrl-C does, when so many updates are done."""

    def __init__(self, step: int) -> None:
        self.step = step

    def advance(self, done: int, note: str = "") -> None:
        # A signal that comes now is seen after the next update.
        if done == self.step - 1:
            signal.raise_signal(signal.SIGTERM)


def final_state(run: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], Any]:
    checkpoint = latest_checkpoint(run / "checkpoints")
    return (
        load_file(checkpoint / "weights.safetensors"),
        load_file(checkpoint / "optimizer.safetensors"),
        json.loads((checkpoint / "state.json").read_text()),
    )


def assert_same_run(one: Path, other: Path) -> None:
    for left, right in zip(final_state(one)[:2], final_state(other)[:2], strict=True):
        assert left.keys() == right.keys()
        for name in left:
            assert torch.equal(left[name], right[name]), name
    assert final_state(one)[2] == final_state(other)[2]


def metrics(run: Path) -> list[dict[str, float]]:
    timeless = []
    for text in (run / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        for clock in ("time", "seconds_left", "samples_per_second", "solver_share", "loader_share"):
            line.pop(clock, None)
        timeless.append(line)
    return timeless


# What may differ, one at a time: the objective, where in an epoch it stops, the optimiser. There
# are 5 updates an epoch, so that 10 is the end of one, and a line of metrics every 3: both stops
# are in the middle of what a line is the mean of.
RESUMED = [
    *((objective, "adamw", 7) for objective in OBJECTIVES),
    ("bank", "adamw", 10),
    ("bank_by_step", "adamw", 10),
    ("paper", "sgd", 7),
]


@pytest.mark.parametrize(("objective", "optimizer", "stop"), RESUMED)
def test_resumed_run_equals_uninterrupted_one(
    objective: str, optimizer: str, stop: int, tmp_path: Path
) -> None:
    evaluate = (objective, optimizer, stop) == RESUMED[0]
    config = toy_config(
        objective=NAT.model_validate(OBJECTIVES[objective]),
        evaluate=evaluate,
        optimizer=OPTIMIZERS[optimizer],
        log_every_steps=3,
    )
    whole = natlib.train(config, tmp_path / "whole")
    assert (whole.step, whole.finished) == (20, True)
    part = natlib.train(config, tmp_path / "part", progress=StopAfter(stop))
    assert (part.step, part.finished, part.signal) == (stop, False, signal.SIGTERM)
    rest = natlib.resume(tmp_path / "part")
    assert (rest.step, rest.finished) == (20, True)
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "part")
    assert whole.evaluation == rest.evaluation
    assert (whole.evaluation is not None) is evaluate


def test_resume_with_accumulation_and_online_knn(tmp_path: Path) -> None:
    config = toy_config(accumulate=2, knn_every_epochs=1)
    whole = natlib.train(config, tmp_path / "whole")
    natlib.train(config, tmp_path / "part", progress=StopAfter(5))
    natlib.resume(tmp_path / "part")
    assert whole.step == 12
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "part")


def test_a_finished_run_resumes_to_itself(tmp_path: Path) -> None:
    natlib.train(toy_config(), tmp_path / "run")
    before = final_state(tmp_path / "run")
    again = natlib.resume(tmp_path / "run")
    assert (again.step, again.finished) == (20, True)
    assert final_state(tmp_path / "run")[2] == before[2]


def test_random_numbers_of_the_caller_do_not_matter(tmp_path: Path) -> None:
    torch.manual_seed(1)
    natlib.train(toy_config(), tmp_path / "one")
    torch.manual_seed(2)
    natlib.train(toy_config(), tmp_path / "two")
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    natlib.train(toy_config(), tmp_path / "one")
    natlib.train(toy_config(seed=1), tmp_path / "two")
    name = "encoder.body.layer1.0.weight"
    assert not torch.equal(
        final_state(tmp_path / "one")[0][name], final_state(tmp_path / "two")[0][name]
    )


def test_configuration_survives_the_run_directory(tmp_path: Path) -> None:
    config = toy_config()
    natlib.train(config, tmp_path / "run")
    saved = RunDirectory(tmp_path / "run").read_config()
    assert saved.encoder is not None
    assert saved.model_copy(update={"encoder": None}) == config
    assert RunConfig.model_validate(saved.model_dump(mode="json")) == saved
