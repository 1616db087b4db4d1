"""Runs that benchmarks train, go on with, and put into tables."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import natlib
from natlib.evaluation import Evaluation
from natlib.training import ConsoleProgress, RunConfig, TrainResult

__all__ = ["ATTRACTION", "PROBES", "ROWS", "accuracies", "cell", "metrics", "train_or_resume"]

PROBES = ("knn", "linear")
ROWS = ("encoder", "head", "start", "raw", "reduced")
# NAT as all presets had it once: what several tables were measured with.
ATTRACTION = (
    "objective.targets.dim=32",
    "objective.assignment={kind: stream, slots: 8}",
    "objective.loss={target_weight: 3, repulsion: null}",
)


def train_or_resume(config: RunConfig, folder: Path) -> TrainResult:
    """Train a run, or go on with it where it was interrupted or killed.

    Raises:
        SystemExit: it was interrupted once more.
    """
    progress = ConsoleProgress(every=60)
    result = natlib.train(config, folder, continue_run=True, progress=progress)
    if not result.finished:
        raise SystemExit(f"{folder} was interrupted; run the same command again to go on")
    return result


def metrics(folder: Path, having: str = "samples_per_second") -> list[dict[str, Any]]:
    """The lines that a run logged of one metric; by default those of its updates."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if having in line]


def accuracies(evaluation: Evaluation | None) -> dict[str, dict[str, float]]:
    """Accuracies in percent, by row and probe; without baselines if they were not evaluated."""
    assert evaluation is not None
    return {
        row: {probe: round(evaluation.rows[row][probe].value, 2) for probe in PROBES}
        for row in ROWS
        if row in evaluation.rows
    }


def cell(values: Sequence[float], digits: int = 1) -> str:
    """The mean of several seeds, with their standard deviation."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"
