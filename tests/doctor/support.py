"""Short runs and their diagnoses."""

from pathlib import Path
from typing import Any

import natlib
from natlib.doctor import RunReport, diagnose
from natlib.objectives import NAT, Objective
from natlib.training import EvaluationConfig, RunConfig
from tests.doctor.broken_parts import BrokenBlobs

__all__ = ["acts", "nat", "train"]


def nat(**settings: Any) -> NAT:
    """NAT with a small head, in few dimensions."""
    common = {
        "targets": {"kind": "uniform_sphere", "dim": 8},
        "assignment": {"kind": "stream", "slots": 4},
    }
    return NAT(**{**common, "head": {"kind": "mlp", "widths": [64]}, **settings})


def train(
    run: Path,
    objective: Objective | None = None,
    *,
    data: dict[str, Any] | None = None,
    encoder: dict[str, Any] | None = None,
    rate: float = 4e-3,
    evaluated: bool = False,
    **training: Any,
) -> RunReport:
    """Train on 600 blobs for 7 epochs of 19 updates, and diagnose the run."""
    settings = {
        "epochs": 7, "batch_size": 32, "workers": 0, "log_every_steps": 2, "device": "cpu",
        "optimizer": {"kind": "adamw", "learning_rate": rate},
    }  # fmt: skip
    config = RunConfig(
        data=BrokenBlobs(train=600, test=60, **(data or {})),
        encoder=encoder,
        objective=objective or nat(),
        training={**settings, **training},
        evaluation=EvaluationConfig(final=evaluated, weight_decays=(1e-2,)),
    )
    natlib.train(config, run)
    return diagnose(run)


def acts(report: RunReport) -> set[str]:
    """The diagnoses that ask for action."""
    return {name for name, finding in report.findings.items() if finding.verdict == "act"}
