"""Deal every slot of a data set out again.

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

from natlib.assignment.reassignment.blocks import Allowed, Dealer, Dealt
from natlib.assignment.reassignment.features import FeatureRows, Source, TargetRows
from natlib.assignment.reassignment.state import Place, State
from natlib.assignment.table import AssignmentTable
from natlib.errors import ConfigError, DataError
from natlib.runtime.interruption import Interruption
from natlib.runtime.progress import ProgressReporter, SilentProgress
from natlib.solvers import Lapjv, Solver
from natlib.targets import TargetDistribution, TargetModule

__all__ = ["Reassigned", "reassign"]


class Reassigned(NamedTuple):
    """What a refresh did.

    Attributes:
        before: half the squared distance between a sample and its targets, on average over
            samples and layers, as the table was; NaN if a signal came in the first pass.
        costs: the same after each pass; never rising.
        moved: share of the slots that changed hands.
        seconds: of work, all calls together if it was resumed.
        finished: whether all passes are done; False if a signal came in between.
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
    """Deal the slots of all samples out again, block by block; the cost never rises.

    In each pass, samples and slots that are near each other come together in blocks, and each
    block is matched by the solver. Nothing of size n x d is held: features are read and targets
    made a few blocks at a time. The result does not depend on the number of threads.

    A signal (Ctrl-C, SIGTERM) is obeyed after the blocks in work: the table is a permutation,
    the state is saved, then the signal takes its usual course. With several processes
    call it after :meth:`AssignmentTable.merge`, in each with the same features.

    Args:
        features: [n, d], what the samples are matched by, in the space of the targets: a tensor,
            an array (memory-mapped or not) or the path of a .npy file. Any floating type.
        table: who owns what; changed in place, in all layers.
        targets: of the slots.
        index: int64[s], the samples with known features; the others keep their slots.
        block: samples that are matched at a time.
        passes: how many at most.
        tolerance: stop when a pass gains less than this part of what matching has gained
            over random slots.
        seed: of the choice of blocks.
        solver: matches a block; by default ``lapjv``.
        threads: blocks at a time; by default as many as torch uses.
        state: a file to go on from if it exists; it is written every ``save_every`` seconds
            and when a signal comes, and removed at the end. The result is that of a call without
            interruption, bit for bit.
        save_every: seconds between two writings.
        progress: is told what is done.
        allowed: says which samples may own which slots, if not all may own all. Every sample
            must be allowed what it owns; so it stays.

    Raises:
        DataError: features that are not [n, d], or an index that holds a sample twice.
        NonFiniteError: features that hold NaN or infinity; names the first sample.
        CheckpointError: the state is of another refresh, or cannot be read or written.
        ConfigError: ``block``, ``passes`` or ``threads`` below 1.
    """
    for name, value in (("block", block), ("passes", passes), ("threads", threads or 1)):
        if value < 1:
            raise ConfigError(f"{name} needs to be at least 1, got {value}")
    solver = solver or Lapjv()
    before = torch.get_num_threads()
    threads = threads or before
    # Blocks run side by side instead, and arithmetic in one thread always gives the same.
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
        dealer = Dealer(rows, source, solver, block, seed, allowed)
        about = {
            "features": rows.digest,
            "targets": _fingerprint(targets, source),
            "settings": [block, passes, tolerance, seed, solver.model_dump(mode="json")]
            + ["constrained"] * (allowed is not None),
        }
        nothing = np.zeros(0, dtype=np.int64)
        work = _Work(
            dealer,
            State(host.copy(), host, nothing, Place(), about),
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


class _Work:
    """The passes of a refresh, from where the state says."""

    def __init__(
        self,
        dealer: Dealer,
        state: State,
        passes: int,
        tolerance: float,
        path: Path | None,
        save_every: float,
    ) -> None:
        self.dealer, self.state, self.path = dealer, state, path
        self.passes, self.tolerance, self.save_every = passes, tolerance, save_every
        if path is not None and path.exists():
            state.resume(path)
        self._clock = self._saved = time.monotonic()

    @property
    def _pairs(self) -> int:
        return len(self.dealer.features.index) * len(self.state.permutation)

    def run(self, threads: int, asked: Interruption, progress: ProgressReporter) -> bool:
        """Do what is left; False if a signal came first."""
        place, samples = self.state.place, len(self.dealer.features.index)
        if samples == 0:
            return True
        done = (place.turn * len(self.state.permutation) + place.layer) * samples
        groups = np.array_split(self.state.order, self.dealer.groups)
        done += sum(map(len, groups[: place.group]))
        progress.stage("refresh", self.passes * self._pairs, done)
        pool = ThreadPoolExecutor(threads, "natlib-refresh", lambda: torch.set_num_threads(1))
        try:
            while not self._ended():
                for dealt in self._groups(pool, threads):
                    self._take(dealt)
                    done += len(dealt.slots)
                    note = f"pass {place.turn + 1} of {self.passes}"
                    progress.advance(done, note + _cost(place.costs))
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

    def _groups(self, pool: ThreadPoolExecutor, threads: int) -> Iterator[Dealt]:
        """Groups of this layer that are left, in order; a few are in work ahead."""
        place, dealer = self.state.place, self.dealer
        owned = self.state.permutation[place.layer]
        if place.group == 0:
            slots = owned[dealer.features.index]
            turn = place.turn, place.layer
            shares = pool.map(lambda n: dealer.share(slots, *turn, n), range(dealer.shares()))
            self.state.order = _joined(list(shares))
        groups = np.array_split(self.state.order, dealer.groups)
        ahead: deque[Future[Dealt]] = deque()
        number = place.group
        for number in range(place.group, len(groups) + threads):
            if number < len(groups):
                samples = dealer.features.index[groups[number]]
                ahead.append(
                    pool.submit(
                        dealer.deal, groups[number], owned[samples], place.turn, place.layer, number
                    )
                )
            if len(ahead) > threads or (number >= len(groups) and ahead):
                yield ahead.popleft().result()

    def _take(self, dealt: Dealt) -> None:
        place, dealer = self.state.place, self.dealer
        group = np.array_split(self.state.order, dealer.groups)[place.group]
        self.state.permutation[place.layer, dealer.features.index[group]] = dealt.slots
        place.group += 1
        place.similarity += dealt.after
        if place.turn == 0:
            place.before += dealt.before
            place.total = list(dealt.total + (place.total or 0.0))
            place.square += dealt.square

    def _next(self) -> None:
        """To the next layer, or the next pass."""
        place = self.state.place
        place.group = 0
        place.layer += 1
        if place.layer < len(self.state.permutation):
            return
        if place.turn == 0:
            place.costs.append(self._cost(place.before))
        place.costs.append(self._cost(place.similarity))
        place.layer, place.similarity, place.turn = 0, 0, place.turn + 1

    def _cost(self, similarity: int) -> float:
        """Mean cost of a pair, from the sum of similarities with centred features."""
        rows, place = self.dealer.features, self.state.place
        squares = 0.5 * (rows.square * len(self.state.permutation) + place.square)
        dots = similarity * self.dealer.unit + float(rows.mean @ np.array(place.total))
        return (squares - dots) / self._pairs

    def _ended(self) -> bool:
        place = self.state.place
        if place.layer or place.group or place.turn == 0:
            return False
        gain = place.costs[-2] - place.costs[-1]
        matched = self._cost(0) - place.costs[-1]  # random slots have similarity 0, on average
        return place.turn >= self.passes or gain <= self.tolerance * matched

    def _save(self) -> None:
        now = time.monotonic()
        self.state.place.seconds += now - self._clock
        self._clock = self._saved = now
        if self.path is not None:
            self.state.save(self.path)

    def result(self, finished: bool) -> Reassigned:
        place, index = self.state.place, self.dealer.features.index
        changed = self.state.start[:, index] != self.state.permutation[:, index]
        return Reassigned(
            place.costs[0] if place.costs else float("nan"),
            place.costs[1:],
            float(changed.mean()) if changed.size else 0.0,
            place.seconds + time.monotonic() - self._clock,
            finished,
        )


def _joined(shares: list[list[NDArray[np.int64]]]) -> NDArray[np.int64]:
    """The groups of all parts, one group after the other."""
    return np.concatenate([np.concatenate(group) for group in zip(*shares, strict=True)])


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
    digest = hashlib.blake2b(distribution.model_dump_json().encode(), digest_size=16)
    digest.update(source.mean)  # learned targets change while their settings stay
    return digest.hexdigest()


def _cost(costs: list[float]) -> str:
    return f", cost {costs[-1]:.4f}" if costs else ""
