"""What is measured: solvers with their settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError
from torch import Tensor

from benchmarks.solvers.instances import Instance
from natlib.configuration import describe
from natlib.errors import ConfigError
from natlib.solvers import Auto, Solver

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
        columns: columns or a soft matching, see :meth:`Instance.similarity`.
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
    call: Callable[[Instance], Answer]
    exact: bool

    @property
    def label(self) -> str:
        """Solver and setting, for people."""
        return f"{self.solver} {self.setting}".rstrip()


def candidates(chosen: Sequence[str | Solver] | None = None) -> list[Candidate]:
    """Solvers to be measured, those that trade accuracy for time with several settings.

    Args:
        chosen: kinds, as ``greedy``, or with settings, as ``lapjv:levels=256``, or solvers; by
            default every registered kind.

    Raises:
        ConfigError: no such solver or setting.
    """
    found = []
    for one in Solver.registry.kinds() if chosen is None else chosen:
        if isinstance(one, Solver):
            found.append(one)
            continue
        kind, _, settings = one.partition(":")
        cls = Solver.registry.get(kind)
        if settings:
            found.append(_with(cls, settings))
        else:
            found += [cls(**setting) for setting in _CURVES.get(kind, [{}])]
    return [_candidate(solver) for solver in found]


def _with(cls: type[Solver], settings: str) -> Solver:
    pairs = [setting.partition("=") for setting in settings.split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise ConfigError(f"settings of a solver are key=value,key=value; got '{settings}'")
    try:
        return cls.model_validate({key: value for key, _, value in pairs})
    except ValidationError as error:
        raise ConfigError(f"{cls.__name__}: {describe(error)}") from error


def _candidate(solver: Solver) -> Candidate:
    values = solver.model_dump(exclude={"kind"}, exclude_unset=True)
    setting = ", ".join(f"{name}={value}" for name, value in values.items())

    def call(problem: Instance) -> Answer:
        worker: Solver = solver
        if isinstance(solver, Auto):
            worker = solver.choose(problem.size, problem.size, problem.z.device)
        # Solvers that need no costs of all pairs are not charged for them.
        points = not worker.exact and type(worker).match is not Solver.match
        matching = solver.match(problem.z, problem.c) if points else solver.solve(problem.cost)
        by = worker.kind if worker.kind != solver.kind else ""
        return Answer(matching.columns, matching.converged, by, points)

    return Candidate(solver.kind, setting, call, solver.exact)
