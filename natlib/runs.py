"""The log of a run: its settings, metrics and evaluations, read from its files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natlib.errors import DataError
from natlib.evaluation import Evaluation
from natlib.training import RunConfig, RunDirectory, RunInfo, read_evaluations
from natlib.training.metric_lines import read_metric_lines

__all__ = ["RunLog", "Series", "read_run_log"]

# Of every line of metrics; they are no metrics.
_WHEN = {"step", "epoch", "time"}


@dataclass(frozen=True)
class Series:
    """One metric over a run.

    Attributes:
        steps: updates after which it was measured.
        values: what was measured.
    """

    steps: list[float]
    values: list[float]

    @property
    def last(self) -> float:
        """The last value."""
        return self.values[-1]


@dataclass(frozen=True)
class RunLog:
    """What a run has written down.

    Attributes:
        path: the run directory.
        config: its configuration.
        info: what it is and how it stands.
        metrics: by name, in the order of their first values.
        evaluations: what was found, by name: ``standard`` at the end of training, where there
            are labels, and those of protocols.
        step: updates done when the last line of metrics was written.
        epoch: the epoch of that line.
    """

    path: Path
    config: RunConfig
    info: RunInfo
    metrics: dict[str, Series]
    evaluations: dict[str, Evaluation]
    step: int
    epoch: int

    @property
    def batch(self) -> int:
        """Samples that are matched together."""
        each = self.config.training.batch_size // self.info.processes
        return max(1, min(each, self.info.samples))


def read_run_log(run: Path | str) -> RunLog:
    """Read the files of a run, finished or not.

    Raises:
        RunNotFoundError: there is no run here.
        ConfigError: its ``run.json`` or ``config.yaml``, or a result of an evaluation, cannot be
            read.
        DataError: ``metrics.jsonl`` is damaged.
    """
    directory = RunDirectory(run)
    config = directory.read_config()
    lines = _lines(directory.path / "metrics.jsonl")
    metrics: dict[str, Series] = {}
    for line in lines:
        for name, value in line.items():
            if name not in _WHEN:
                series = metrics.setdefault(name, Series([], []))
                series.steps.append(float(line["step"]))
                series.values.append(float(value) if value is not None else math.nan)
    last = lines[-1] if lines else {"step": 0, "epoch": 0}
    return RunLog(
        directory.path,
        config,
        directory.read_info(),
        metrics,
        read_evaluations(directory),
        int(last["step"]),
        int(last["epoch"]),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    """Lines of metrics; of a run that goes on, the last one may be half written."""
    if not path.exists():
        return []
    try:
        lines, damaged = read_metric_lines(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}; remove it") from error
    if damaged:
        raise DataError(
            f"line {damaged[0]} of {path} is damaged; remove it, or resume the run from an older "
            "checkpoint"
        )
    return lines
