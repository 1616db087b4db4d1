"""Measure candidates on the same problems, in turns."""

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks.solvers.candidates import Answer, Candidate, candidates
from benchmarks.solvers.instances import Instance, make_instance
from benchmarks.solvers.measurement import Measurement
from benchmarks.solvers.timing import Growth, timed
from natlib.errors import ConfigError
from natlib.runtime.malloc import disable_trim
from natlib.runtime.progress import ProgressReporter, SilentProgress
from natlib.solvers import pairwise_cost

__all__ = ["measure"]

# A first call that takes no longer is a warm-up, and is not counted.
_WARM_UP = 0.5


def measure(
    chosen: Sequence[Candidate],
    *,
    features: Sequence[str],
    sizes: Sequence[int],
    dim: int = 128,
    problems: int = 1,
    seed: int = 0,
    repeats: int = 5,
    limit: float = 10.0,
    device: torch.device | str = "cpu",
    progress: ProgressReporter | None = None,
) -> list[Measurement]:
    """Measure the time of a call, and how much worse than optimal the matching is.

    On a CPU all of them have memory as in training, see :func:`natlib.runtime.malloc.disable_trim`.

    Args:
        chosen: what is measured: solvers, or other packages' functions.
        features: kinds of features, see :func:`make_instance`.
        sizes: samples b of a problem; there are as many targets.
        dim: dimension of the targets.
        problems: m, problems that are solved together.
        seed: of features and targets.
        repeats: calls that the median is taken of.
        limit: seconds; a solver skips sizes at which a call is expected to take longer, and
            repeats no more than fits into it, or into a quarter of it if it is not exact.
        device: where the tensors lie.
        progress: told how far it is.

    Returns:
        One measurement for each kind of features, size and candidate, in this order.

    Raises:
        ConfigError: no such features, or a number that makes no sense.
    """
    sizes = sorted(set(sizes))
    if not (chosen and features and sizes):
        raise ConfigError("nothing to measure; name at least one solver, kind of features and size")
    if min(*sizes, dim, problems, repeats) < 1 or limit <= 0:
        raise ConfigError("sizes, dim, problems, repeats and limit need to be positive numbers")
    if torch.device(device).type == "cpu":
        disable_trim()
    results = []
    # Work grows with the square of the size at least.
    total, done = len(features) * sum(size * size for size in sizes), 0
    with progress or SilentProgress() as reporter:
        reporter.stage("measuring, %", 100)
        for kind in features:
            runners = [_Runner(candidate, limit) for candidate in chosen]
            reference = _Runner(candidates(["lapjv"])[0], limit)
            for size in sizes:
                problem = make_instance(
                    kind, size, dim=dim, count=problems, seed=seed, device=device
                )
                # In turns, so that a temporary load on the machine slows all alike; and in another
                # order each time, since each call leaves the caches in another state.
                order = random.Random(seed)
                turns = list(runners)  # which warms up
                for _ in range(repeats):
                    turns += order.sample(runners, len(runners))
                for number, runner in enumerate(turns):
                    percent = 100 * (done + size * size * number / len(turns)) / total
                    note = f"{kind}, b = {size}: {runner.candidate.label}"
                    reporter.advance(int(percent), note)
                    runner.turn(problem, repeats)
                results += _measurements(problem, runners, reference)
                done += size * size
        reporter.advance(100)
    return results


@dataclass
class _Runner:
    """A candidate on its way through the sizes."""

    candidate: Candidate
    limit: float
    growth: Growth = field(default_factory=Growth)
    size: int = 0
    times: list[float] = field(default_factory=list)
    answer: Answer | None = None
    skipped: str = ""

    def turn(self, problem: Instance, repeats: int) -> None:
        """One call, as long as any is wanted and fits; the first on a problem may be a warm-up."""
        if problem.size != self.size:
            self._begin(problem)
        elif self.answer is None or len(self.times) >= repeats:
            return
        elif not self.times or sum(self.times) + max(self.times) <= self._budget:
            self.times.append(self._call(problem)[1])

    def _begin(self, problem: Instance) -> None:
        if self.times:
            self.growth.add(self.size, statistics.median(self.times))
        self.size, self.times, self.answer, self.skipped = problem.size, [], None, ""
        expected = self.growth.predict(problem.size)
        if expected is not None and expected > self.limit:
            self.skipped = f"would take about {expected:.0f} s, more than {self.limit:g} s"
            return
        self.answer, seconds = self._call(problem)
        if seconds > _WARM_UP:
            self.times.append(seconds)

    @property
    def _budget(self) -> float:
        # Times of exact solvers differ by small ratios, those of others by orders of magnitude.
        return self.limit if self.candidate.exact else self.limit / 4

    def _call(self, problem: Instance) -> tuple[Answer, float]:
        return timed(lambda: self.candidate.call(problem), problem.z.device)


def _measurements(
    problem: Instance, runners: Iterable[_Runner], reference: _Runner
) -> list[Measurement]:
    runners = list(runners)
    found = {
        id(runner): problem.similarity(runner.answer.columns)
        for runner in runners
        if runner.answer is not None
    }
    # Sums of soft matchings underflow where a package does not see to it.
    found = {key: value for key, value in found.items() if math.isfinite(value)}
    best = [found[id(one)] for one in runners if one.candidate.exact and id(one) in found]
    if not best:
        reference.turn(problem, 0)
        reference.turn(problem, 1)
        if reference.answer is not None:
            best = [problem.similarity(reference.answer.columns)]
    random = problem.random_similarity()
    pairs = [timed(lambda: pairwise_cost(problem.z, problem.c), problem.z.device) for _ in range(3)]
    cost_seconds = statistics.median(seconds for _, seconds in pairs)
    results = []
    for runner in runners:
        similarity = found.get(id(runner))
        gap = None
        if similarity is not None and best:
            gain = max(best) - random
            gap = max(0.0, max(best) - similarity) / gain if gain > 0 else 0.0
        results.append(
            Measurement(
                solver=runner.candidate.solver,
                setting=runner.candidate.setting,
                features=problem.features,
                size=problem.size,
                problems=problem.count,
                dim=problem.z.shape[-1],
                device=problem.z.device.type,
                threads=torch.get_num_threads(),
                exact=runner.candidate.exact,
                points=runner.answer is not None and runner.answer.points,
                seconds=statistics.median(runner.times) if runner.times else None,
                cost_seconds=cost_seconds,
                repeats=len(runner.times),
                similarity=similarity,
                gap=gap,
                by=runner.answer.by if runner.answer is not None else "",
                converged=runner.answer is None
                or (runner.answer.converged and similarity is not None),
                skipped=runner.skipped,
            )
        )
    return results
