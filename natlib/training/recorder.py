"""Writes metrics.jsonl, TensorBoard events and train.log while a run trains."""

import contextlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from natlib.errors import CheckpointError
from natlib.runtime.log import logger
from natlib.runtime.storage import append_to, write_file
from natlib.training.metric_lines import read_metric_lines

__all__ = ["Recorder"]


class _LogFile(logging.FileHandler):
    def _open(self) -> Any:
        return append_to(Path(self.baseFilename))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Say nothing: where the disk is full, something else says so, in one line."""


class Recorder:
    """Writes metrics to every place that reads them.

    Args:
        run: the run directory.
        resume_step: updates that are done already; lines of later ones are dropped, since those
            updates are made again.
    """

    def __init__(self, run: Path, resume_step: int = 0) -> None:
        self._path = run / "metrics.jsonl"
        damaged: list[int] = []
        if self._path.exists():
            lines, damaged = read_metric_lines(self._path)
            kept = [line for line in lines if line["step"] <= resume_step]
            write_file(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = append_to(self._path)
        from natlib.training.event_file import EventFile  # TensorBoard, for training only

        self._events = EventFile(run / "tensorboard", purge_step=resume_step + 1)
        self._handler = _LogFile(run / "train.log", encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)
        if damaged:
            logger.warning(
                "%d damaged lines of metrics.jsonl are left out, the first is line %d",
                len(damaged), damaged[0],
            )  # fmt: skip

    def record(self, step: int, epoch: int, values: dict[str, float]) -> None:
        """Write one line of metrics after ``step`` updates.

        Raises:
            CheckpointError: it could not be written.
        """
        line: dict[str, Any] = {"step": step, "epoch": epoch, "time": round(time.time(), 3)}
        line |= {name: float(f"{value:.6g}") for name, value in values.items()}
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            self._events.add(values, step)
        except OSError as error:
            raise CheckpointError(
                f"{self._path} could not be written: {error.strerror}; free some space and resume"
            ) from error

    def flush(self) -> None:
        """Wait until the lines are on disk: no checkpoint may be newer than its metrics.

        Raises:
            CheckpointError: they could not be written.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise CheckpointError(
                f"{self._path} could not be written: {error.strerror}; free some space and resume"
            ) from error

    def close(self) -> None:
        """Close all files; what could not be written is lost."""
        logger.removeHandler(self._handler)
        for thing in (self._file, self._events, self._handler):
            with contextlib.suppress(OSError):
                thing.close()
