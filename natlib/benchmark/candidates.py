"""What is measured: solvers with their settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from natlib.benchmark.features import Problem
from natlib.solvers import Solver

__all__ = ["Answer", "Candidate", "candidates"]

# Settings that trade accuracy for time, from fast to accurate: what makes a curve of a solver.
# A solver that is not here, one of another package say, is measured as it comes.
_CURVES: dict[str, list[dict[str, Any]]] = {
    "auction": [{"epsilon": value} for value in (0.3, 0.1, 0.03, 0.01, 0.001)],
    "auto": [{}, {"quality": "fast"}],
    "blockwise": [
        {"start": "sliced", "passes": 2, "tolerance": 0.0},
        {"start": "sliced", "passes": 8},
        {"start": "sliced", "passes": 32, "tolerance": 0.0},
    ],
    "greedy": [{"order": "rows"}, {"order": "priced"}, {"order": "best"}],
    "sinkhorn": [{"epsilon": value} for value in (0.3, 0.1, 0.05)],
    "sliced": [{"passes": value} for value in (1, 4, 16)],
}


class Answer(NamedTuple):
    """What a candidate finds.

    Attributes:
        columns: columns or a soft matching, see :meth:`Problem.similarity`.
        converged: whether it met its own tolerance.
        by: the solver that it left the work to, if it did.
        points: whether it worked on points, so that its time is all that a matching takes.
    """

    columns: Tensor
    converged: bool = True
    by: str = ""
    points: bool = False


@dataclass(frozen=True)
class Candidate:
    """Something that solves matching problems.

    Attributes:
        solver: its name.
        setting: values that were set, as ``key=value``.
        call: solves a problem.
        exact: whether it finds the optimum.
    """

    solver: str
    setting: str
    call: Callable[[Problem], Answer]
    exact: bool

    @property
    def label(self) -> str:
        """Solver and setting, for people."""
        return f"{self.solver} {self.setting}".rstrip()


def candidates(chosen: Sequence[str | Solver] | None = None) -> list[Candidate]:
    """Solvers to be measured, those with a knob for accuracy with several settings.

    Args:
        chosen: kinds, or solvers with settings of their own; by default every
            registered kind.

    Raises:
        ConfigError: no such solver.
    """
    found = []
    for one in Solver.registry.kinds() if chosen is None else chosen:
        if isinstance(one, Solver):
            found.append(one)
            continue
        cls = Solver.registry.get(one)
        found += [cls(**setting) for setting in _CURVES.get(one, [{}])]
    return [_candidate(solver) for solver in found]


def _candidate(solver: Solver) -> Candidate:
    values = solver.model_dump(exclude={"kind"}, exclude_unset=True)
    setting = ", ".join(f"{name}={value}" for name, value in values.items())

    def call(problem: Problem) -> Answer:
        worker = solver.choose(problem.size, problem.size, problem.z.device)
        # Solvers that need no costs of all pairs are not charged for them.
        points = not worker.exact and type(worker).match is not Solver.match
        matching = solver.match(problem.z, problem.c) if points else solver.solve(problem.cost)
        by = worker.kind if worker.kind != solver.kind else ""
        return Answer(matching.columns, matching.converged, by, points)

    return Candidate(solver.kind, setting, call, solver.exact)
