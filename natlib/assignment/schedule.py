"""When a run reassigns the slots of its whole data set, over all processes."""

import time
from collections.abc import Callable
from typing import Self

import torch
import torch.distributed as dist
from pydantic import Field

from natlib.assignment.embedding_cache import EmbeddingCache
from natlib.assignment.reassignment import Allowed, reassign
from natlib.assignment.table import AssignmentTable
from natlib.component import Settings
from natlib.errors import CheckpointError
from natlib.runtime.log import logger
from natlib.runtime.processes import process_count, process_rank
from natlib.runtime.progress import ProgressReporter
from natlib.targets import TargetModule

__all__ = ["Reassignment", "reassign_from"]


# Seconds between two heartbeats; collective calls time out after ten minutes at the earliest.
_HEARTBEAT = 20.0
_RUNNING, _FINISHED, _INTERRUPTED, _FAILED = range(4)


class Reassignment(Settings):
    """When and how the slots of all samples are reassigned (:func:`natlib.assignment.reassign`).

    Samples are matched by their embeddings of the previous epoch, which are stored in half
    precision beside the checkpoints.
    """

    every: int = Field(default=1, ge=1)
    """Reassign before every N-th epoch, except the first."""
    block: int = Field(default=2048, ge=2)
    """Samples that are matched at a time."""
    passes: int = Field(default=8, ge=1)
    """Maximum number of passes over the data set."""
    tolerance: float = Field(default=2e-3, ge=0)
    """Stop when a pass gains less than this share of the total gain so far."""

    def due(self, epoch: int) -> bool:
        """Whether to reassign before this epoch."""
        return epoch > 0 and epoch % self.every == 0


def reassign_from(
    cache: EmbeddingCache,
    epoch: int,
    table: AssignmentTable,
    targets: TargetModule,
    schedule: Reassignment,
    progress: ProgressReporter,
    allowed: Allowed | None = None,
) -> bool:
    """Reassign all slots by the embeddings of an epoch; a collective call.

    The first process computes, and the others wait for its table, however long that takes.

    Returns:
        Whether it finished; after an interruption by a signal, the same call continues.
    """

    def work(reporter: ProgressReporter) -> bool:
        path, seen = cache.read(epoch)
        result = reassign(
            path,
            table,
            targets,
            index=seen,
            block=schedule.block,
            passes=schedule.passes,
            tolerance=schedule.tolerance,
            seed=epoch,
            state=cache.progress_file,
            progress=reporter,
            allowed=allowed,
        )
        if result.finished:
            logger.info(
                "reassigned the table after epoch %d: cost %.4f, was %.4f; %.1f %% of the slots "
                "moved, %d passes, %.1f s",
                epoch,
                result.costs[-1] if result.costs else result.before,
                result.before,
                100 * result.moved,
                len(result.costs),
                result.seconds,
            )
        return result.finished

    if process_count() == 1:
        return work(progress)
    device = table.permutation.device
    finished = _lead(work, progress, device) if process_rank() == 0 else _follow(device)
    dist.broadcast(table.permutation, src=0)
    return finished


def _lead(
    work: Callable[[ProgressReporter], bool], progress: ProgressReporter, device: torch.device
) -> bool:
    outcome = _FAILED
    try:
        outcome = _FINISHED if work(_Heartbeat(progress, device)) else _INTERRUPTED
    finally:
        _broadcast(outcome, device)
    return outcome == _FINISHED


def _follow(device: torch.device) -> bool:
    outcome = _RUNNING
    while outcome == _RUNNING:
        outcome = _broadcast(_RUNNING, device)
    if outcome == _FAILED:
        raise CheckpointError("the first process could not reassign the table; see its message")
    return outcome == _FINISHED


def _broadcast(outcome: int, device: torch.device) -> int:
    """The outcome of the first process."""
    sent = torch.tensor(outcome, device=device)
    dist.broadcast(sent, src=0)
    return int(sent)


class _Heartbeat:
    """Reports progress, and keeps the other processes' collective calls from timing out."""

    def __init__(self, progress: ProgressReporter, device: torch.device) -> None:
        self._progress, self._device = progress, device
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self._progress.stage(name, total, done)

    def advance(self, done: int, note: str = "") -> None:
        self._progress.advance(done, note)
        if time.monotonic() - self._last > _HEARTBEAT:
            self._last = time.monotonic()
            _broadcast(_RUNNING, self._device)

    def say(self, text: str) -> None:
        self._progress.say(text)
