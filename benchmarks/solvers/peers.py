"""Other packages' assignment and transport functions, as candidates."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import lapjv
import torch
from scipy.optimize import linear_sum_assignment

from benchmarks.solvers.candidates import Answer, Candidate
from benchmarks.solvers.instances import Instance

__all__ = ["SINKHORN_REGULARISATION", "peers"]

# In units of the standard deviation of the costs, rows and columns centred: what matters to a
# matching, whatever the features.
SINKHORN_REGULARISATION = (0.5, 0.1)


def peers(device: str) -> tuple[list[Candidate], list[str]]:
    """What is installed, and a line for each package that is not.

    Each function gets the same float32 costs as natlib's solvers, as a NumPy array where it
    takes one; what it converts them to is part of its time, as it is for its users.
    """
    found = [
        _exact("lapjv.lapjv", lambda cost: lapjv.lapjv(cost)[0]),
        _exact("scipy.lsa", lambda cost: linear_sum_assignment(cost)[1]),
    ]
    missing = []
    for package, make in (("lap", _lap), ("ot", _ot)):
        try:
            found += make(import_module(package))
        except ImportError:
            missing.append(
                f"{package} is not installed (pip install 'natlib[benchmark]'); left out"
            )
    if device == "cuda":
        try:
            found.append(_torch_linear_assignment(import_module("torch_linear_assignment")))
        except ImportError:
            missing.append("torch-linear-assignment is not installed; left out")
    else:
        missing.append("torch-linear-assignment is for GPUs; left out")
    return found, missing


def _exact(name: str, function: Callable[[Any], Any]) -> Candidate:
    def call(problem: Instance) -> Answer:
        return Answer(torch.as_tensor(function(problem.array)).long())

    return Candidate(name, "", call, exact=True)


def _lap(lap: Any) -> list[Candidate]:
    return [
        _exact("lap.lapjv", lambda cost: lap.lapjv(cost, extend_cost=False)[1]),
        _exact("lap.lapjvs", lambda cost: lap.lapjvs(cost)[2]),
    ]


def _ot(ot: Any) -> list[Candidate]:
    def sinkhorn(regularisation: float, method: str = "sinkhorn") -> Candidate:
        def call(problem: Instance) -> Answer:
            cost = problem.array
            spread = (cost - cost.mean(0) - cost.mean(1, keepdims=True) + cost.mean()).std()
            with warnings.catch_warnings(record=True) as complaints:
                warnings.simplefilter("always")
                plan = ot.sinkhorn(
                    [], [], cost, regularisation * spread, method=method, stopThr=1e-6
                )
            # A soft plan: what it is worth is measured without making it one-to-one.
            return Answer(torch.as_tensor(plan).float(), converged=not complaints)

        return Candidate(f"ot.{method}", f"reg={regularisation}", call, exact=False)

    def emd(cost: Any) -> Any:
        return ot.emd([], [], cost, numItermax=10_000_000).argmax(1)

    # Plain sinkhorn underflows on features that have collapsed; in logarithms it is slow.
    return [
        _exact("ot.emd", emd),
        *map(sinkhorn, SINKHORN_REGULARISATION),
        sinkhorn(SINKHORN_REGULARISATION[0], "sinkhorn_log"),
    ]


def _torch_linear_assignment(package: Any) -> Candidate:
    def call(problem: Instance) -> Answer:
        return Answer(package.batch_linear_assignment(problem.cost[None])[0].long())

    return Candidate("torch-linear-assignment", "", call, exact=True)
