"""A run that takes a fraction of a second."""

from pathlib import Path
from typing import Any

import natlib
from natlib.objectives import NAT, Objective
from natlib.training import EvaluationConfig, RunConfig, RunInfo
from tests.evaluation.gaussian_blobs import GaussianBlobs

INFO = RunInfo(
    status="running", step=0, updates=9, samples=10, unreadable=0, weights=3, processes=1,
    device="cpu", versions={},
)  # fmt: skip


def toy_config(
    objective: Objective | None = None, train: int = 80, *, evaluate: bool = False, **training: Any
) -> RunConfig:
    """20 updates, 5 in an epoch; evaluated in the end where that is what a test is about."""
    settings = {"epochs": 4, "batch_size": 16, "workers": 0, "log_every_steps": 1, "device": "cpu"}
    return RunConfig(
        data=GaussianBlobs(train=train, test=40),
        objective=objective or NAT(assignment={"kind": "stream", "slots": 2}),
        training=settings | training,
        evaluation=EvaluationConfig(weight_decays=(1.0,), final=evaluate),
    )


def go_on(run: Path) -> None:
    """Resume a run on the samples that are defined here, in a process that knows them by this."""
    natlib.resume(run)
