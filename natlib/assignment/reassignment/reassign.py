"""Reassign the slots of a whole data set.

Shapes: n samples, s of them selected, d dimensions, m layers.
"""

import hashlib
import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natlib.assignment.reassignment.features import FeatureRows, Source, TargetRows
from natlib.assignment.reassignment.groups import Allowed, GroupResult, Groups
from natlib.assignment.reassignment.state import Cursor, State
from natlib.assignment.table import AssignmentTable
from natlib.configuration import json_text
from natlib.errors import ConfigError, DataError
from natlib.runtime.interruption import Interruption
from natlib.runtime.progress import ProgressReporter, SilentProgress
from natlib.solvers import Lapjv, Solver
from natlib.targets import TargetDistribution, TargetModule

__all__ = ["Reassigned", "reassign"]


class Reassigned(NamedTuple):
    """What a reassignment did.

    Attributes:
        before: half the squared distance between a sample and its targets, averaged over
            samples and layers, as the table was; NaN if a signal came in the first pass.
        costs: the same after each pass; never rising.
        moved: share of the slots that belong to another sample now.
        seconds: of work, summed over all calls if it was resumed.
        finished: whether all passes are done; False if a signal came before.
    """

    before: float
    costs: list[float]
    moved: float
    seconds: float
    finished: bool


def reassign(
    features: Source,
    table: AssignmentTable,
    targets: TargetDistribution | TargetModule,
    *,
    index: Tensor | None = None,
    block: int = 2048,
    passes: int = 8,
    tolerance: float = 2e-3,
    seed: int = 0,
    solver: Solver | None = None,
    threads: int | None = None,
    state: str | Path | None = None,
    save_every: float = 30.0,
    progress: ProgressReporter | None = None,
    allowed: Allowed | None = None,
) -> Reassigned:
    """Reassign the slots of all samples, block by block; the cost never rises.

    In each pass, pairs of samples and slots that lie near each other form blocks, and the solver
    matches each block. Nothing of size n x d is held: features are read and targets
    computed a few blocks at a time. The result does not depend on the number of threads.

    On a signal (Ctrl-C, SIGTERM) the groups of blocks in work are finished and the state is
    saved; then the signal takes its usual course. The table is a permutation at every moment.
    With several processes call it after :meth:`AssignmentTable.merge`, in each with the same
    features.

    Args:
        features: [n, d], what the samples are matched by, in the space of the targets: a tensor,
            an array (memory-mapped or not) or the path of a .npy file. Any floating type.
        table: which sample has which slots; changed in cursor, in all layers.
        targets: of the slots.
        index: int64[s], the samples with known features; the others keep their slots. By
            default all samples.
        block: samples that are matched at a time.
        passes: over the data set at most.
        tolerance: stop when a pass gains less than this share of what matching has gained
            over random slots.
        seed: of the choice of blocks.
        solver: matches a block; by default ``lapjv``.
        threads: groups of blocks that are matched in parallel; by default as many as torch
            uses.
        state: a file to resume from if it exists; it is written every ``save_every`` seconds
            and on a signal, and removed at the end. The result is that of a call without
            interruption, bit for bit.
        save_every: seconds between two writings.
        progress: is told what is done.
        allowed: which samples may have which slots; by default all. Every sample must be allowed
            the slot that it has; its new one is allowed too.

    Raises:
        DataError: features that are not [n, d], or an index that holds a sample twice.
        NonFiniteError: features that hold NaN or infinity; names the first sample.
        CheckpointError: the state is of another reassignment, or cannot be read or written.
        ConfigError: ``block``, ``passes`` or ``threads`` below 1.
    """
    for name, value in (("block", block), ("passes", passes), ("threads", threads or 1)):
        if value < 1:
            raise ConfigError(f"{name} needs to be at least 1, got {value}")
    solver = solver or Lapjv()
    before = torch.get_num_threads()
    threads = threads or before
    # Groups run in parallel instead, and arithmetic in one thread always gives the same.
    torch.set_num_threads(1)
    host = table.permutation.detach().cpu().numpy()
    interruption = Interruption()
    try:
        rows = FeatureRows(features, table.samples, _selected(index, table.samples))
        source = TargetRows(targets, max(1, table.samples), table.permutation.device)
        if len(source.mean) != rows.dim:
            raise DataError(
                f"features have {rows.dim} dimensions, targets {len(source.mean)}; "
                "give features from after the head"
            )
        groups = Groups(rows, source, solver, block, seed, allowed)
        about = {
            "features": rows.digest,
            "targets": _fingerprint(targets, source),
            "settings": [block, passes, tolerance, seed, solver.model_dump(mode="json")]
            + ["constrained"] * (allowed is not None),
        }
        nothing = np.zeros(0, dtype=np.int64)
        work = _Passes(
            groups,
            State(host.copy(), host, nothing, Cursor(), about),
            passes,
            tolerance,
            Path(state) if state is not None else None,
            save_every,
        )
        with interruption:
            finished = work.run(threads, interruption, progress or SilentProgress())
    finally:
        table.permutation.copy_(torch.from_numpy(host))
        torch.set_num_threads(before)
    if interruption.signal is not None:
        signal.raise_signal(interruption.signal)
    return work.result(finished)


class _Passes:
    """The passes of a reassignment, from where the state says."""

    def __init__(
        self,
        groups: Groups,
        state: State,
        passes: int,
        tolerance: float,
        path: Path | None,
        save_every: float,
    ) -> None:
        self.groups, self.state, self.path = groups, state, path
        self.passes, self.tolerance, self.save_every = passes, tolerance, save_every
        if path is not None and path.exists():
            state.resume(path)
        self._clock = self._saved = time.monotonic()

    @property
    def _pairs(self) -> int:
        return len(self.groups.features.index) * len(self.state.permutation)

    def run(self, threads: int, asked: Interruption, progress: ProgressReporter) -> bool:
        """Do what is left; False if a signal came first."""
        cursor, samples = self.state.cursor, len(self.groups.features.index)
        if samples == 0:
            return True
        done = (cursor.pass_number * len(self.state.permutation) + cursor.layer) * samples
        positions = np.array_split(self.state.order, self.groups.count)
        done += sum(map(len, positions[: cursor.group]))
        progress.stage("reassignment", self.passes * self._pairs, done)
        pool = ThreadPoolExecutor(threads, "natlib-reassignment", lambda: torch.set_num_threads(1))
        try:
            while not self._ended():
                for result in self._results(pool, threads):
                    self._take(result)
                    done += len(result.slots)
                    note = f"pass {cursor.pass_number + 1} of {self.passes}"
                    progress.advance(done, note + _cost(cursor.costs))
                    if asked.signal is not None:
                        self._save()
                        return False
                    if time.monotonic() - self._saved > self.save_every:
                        self._save()
                self._next()
        finally:
            pool.shutdown(cancel_futures=True)
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        return True

    def _results(self, pool: ThreadPoolExecutor, threads: int) -> Iterator[GroupResult]:
        """Of the groups of this layer that are left, in order; a few are in work ahead."""
        cursor, groups = self.state.cursor, self.groups
        current = self.state.permutation[cursor.layer]
        if cursor.group == 0:
            slots = current[groups.features.index]
            where = cursor.pass_number, cursor.layer
            chunks = pool.map(lambda n: groups.divide(slots, *where, n), range(groups.chunks))
            self.state.order = _concatenated(list(chunks))
        positions = np.array_split(self.state.order, groups.count)
        ahead: deque[Future[GroupResult]] = deque()
        for number in range(cursor.group, len(positions) + threads):
            if number < len(positions):
                position = positions[number]
                slots = current[groups.features.index[position]]
                ahead.append(
                    pool.submit(
                        groups.rematch, position, slots, cursor.pass_number, cursor.layer, number
                    )
                )
            if len(ahead) > threads or (number >= len(positions) and ahead):
                yield ahead.popleft().result()

    def _take(self, result: GroupResult) -> None:
        cursor, groups = self.state.cursor, self.groups
        position = np.array_split(self.state.order, groups.count)[cursor.group]
        self.state.permutation[cursor.layer, groups.features.index[position]] = result.slots
        cursor.group += 1
        cursor.similarity += result.after
        if cursor.pass_number == 0:
            cursor.before += result.before
            cursor.total = list(result.total + (cursor.total or 0.0))
            cursor.square += result.square

    def _next(self) -> None:
        """To the next layer, or the next pass."""
        cursor = self.state.cursor
        cursor.group = 0
        cursor.layer += 1
        if cursor.layer < len(self.state.permutation):
            return
        if cursor.pass_number == 0:
            cursor.costs.append(self._cost(cursor.before))
        cursor.costs.append(self._cost(cursor.similarity))
        cursor.layer, cursor.similarity, cursor.pass_number = 0, 0, cursor.pass_number + 1

    def _cost(self, similarity: int) -> float:
        """Mean cost of a pair, from the sum of similarities with centred features."""
        rows, cursor = self.groups.features, self.state.cursor
        squares = 0.5 * (rows.square * len(self.state.permutation) + cursor.square)
        dots = similarity * self.groups.unit + float(rows.mean @ np.array(cursor.total))
        return (squares - dots) / self._pairs

    def _ended(self) -> bool:
        cursor = self.state.cursor
        if cursor.layer or cursor.group or cursor.pass_number == 0:
            return False
        gain = cursor.costs[-2] - cursor.costs[-1]
        matched = self._cost(0) - cursor.costs[-1]  # random slots have similarity 0, on average
        return cursor.pass_number >= self.passes or gain <= self.tolerance * matched

    def _save(self) -> None:
        now = time.monotonic()
        self.state.cursor.seconds += now - self._clock
        self._clock = self._saved = now
        if self.path is not None:
            self.state.save(self.path)

    def result(self, finished: bool) -> Reassigned:
        cursor, index = self.state.cursor, self.groups.features.index
        changed = self.state.start[:, index] != self.state.permutation[:, index]
        return Reassigned(
            cursor.costs[0] if cursor.costs else float("nan"),
            cursor.costs[1:],
            float(changed.mean()) if changed.size else 0.0,
            cursor.seconds + time.monotonic() - self._clock,
            finished,
        )


def _concatenated(chunks: list[list[NDArray[np.int64]]]) -> NDArray[np.int64]:
    """The groups of all chunks, one group after the other."""
    return np.concatenate([np.concatenate(group) for group in zip(*chunks, strict=True)])


def _selected(index: Tensor | None, samples: int) -> NDArray[np.int64]:
    if index is None:
        return np.arange(samples)
    chosen = index.detach().cpu().numpy().astype(np.int64)
    sorted_ = np.sort(chosen)
    if len(chosen) and (sorted_[0] < 0 or sorted_[-1] >= samples):
        raise DataError(
            f"index holds samples from {sorted_[0]} to {sorted_[-1]}, but the table has "
            f"{samples}; give numbers from 0 to {samples - 1}"
        )
    if (sorted_[1:] == sorted_[:-1]).any():
        raise DataError("index holds a sample twice; give each sample once")
    return sorted_


def _fingerprint(targets: TargetDistribution | TargetModule, source: TargetRows) -> str:
    distribution = targets.distribution if isinstance(targets, TargetModule) else targets
    digest = hashlib.blake2b(json_text(distribution).encode(), digest_size=16)
    digest.update(source.mean)  # learned targets change while their settings stay
    return digest.hexdigest()


def _cost(costs: list[float]) -> str:
    return f", cost {costs[-1]:.4f}" if costs else ""
