"""What a matching by natlib's ``lapjv`` takes beside the search, piece by piece.

    pip install 'natlib[benchmark]'
    python -m benchmarks.solvers.small_matchings

The raw call ``lapjv.lapjv`` and the steps of ``Lapjv.solve`` around the same search take turns; the
least time of each counts, so that other work on the machine matters little. ``least`` is what no
call through natlib can do without: a check of its costs, the search, a proof, and an answer in
tensors.

How long a search takes varies from problem to problem, so ratios come from the total of many
problems. A second table has ``auto`` beside every exact peer that is installed.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import lapjv as package
import numpy as np
import torch

from benchmarks.solvers.instances import FEATURES, Instance, make_instance
from benchmarks.solvers.peers import peers
from natlib.solvers import Auto, Lapjv, Matching, Problem
from natlib.solvers.kernels.centre_costs import conflict_free, costs_of
from natlib.solvers.kernels.quantise import grid_start, quantise, room_for
from natlib.solvers.kernels.workspace import scratch
from natlib.solvers.lapjv import _contended, _is_optimal

STEPS = ["check", "row minima", "few rows", "grid", "search", "proof", "answer"]
NEEDED = ["check", "search", "proof", "answer"]


def answer(array: np.ndarray, columns: np.ndarray) -> Matching:
    paid = torch.from_numpy(np.array(costs_of(array, columns).sum(dtype=np.float64)))
    found = torch.from_numpy(columns.astype(np.int64))
    return Matching(found, paid, True, 0, True, torch.zeros_like(paid))


def least(problem: Instance) -> Matching:
    """The raw search with a check of the costs, a proof and an answer in tensors around it."""
    Problem(problem.cost)
    columns, _, (_, _, price) = package.lapjv(problem.array)
    _is_optimal(scratch(problem.array.shape, np.float32), columns, price, None)
    return answer(problem.array, columns)


def one_problem(features: str, size: int, seed: int, rounds: int) -> dict[str, float]:
    """Microseconds of each step, of the raw call and of the whole."""
    problem = make_instance(features, size, seed=seed)
    cost, array = problem.cost, problem.array
    memory = np.empty_like(array)
    span = float(array.max()) - float(array.min())
    solver = Lapjv()
    room = room_for(solver.levels)
    taken: dict[str, list[float]] = {name: [] for name in [*STEPS, "raw", "natlib"]}

    def timed(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        result = work(*arguments)
        taken[name].append(time.perf_counter() - began)
        return result

    def raw() -> torch.Tensor:
        return torch.as_tensor(package.lapjv(array)[0])

    def grid() -> np.ndarray:
        low, high = float(array.min()), float(array.max())
        return quantise(array, grid_start(high - low, room) - low, memory)

    for _ in range(rounds):
        timed("raw", raw)
        timed("natlib", solver.solve, cost)
        timed("check", Problem, cost)
        timed("row minima", conflict_free, array)
        timed("few rows", _contended, array, span, room)
        whole = timed("grid", grid)
        columns, _, (_, _, price) = timed("search", package.lapjv, whole)
        timed("proof", _is_optimal, whole, columns, price, None)
        timed("answer", answer, array, columns)
    return {name: 1e6 * min(times) for name, times in taken.items()}


def print_steps(size: int, arguments: argparse.Namespace) -> None:
    for features in FEATURES:
        rows = [
            one_problem(features, size, seed, arguments.rounds) for seed in range(arguments.seeds)
        ]
        mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        steps = " | ".join(f"{mean[name]:.0f}" for name in STEPS)
        # The search at hand may be a lucky one: the raw call's own stands for it.
        bound = sum(mean[name] for name in NEEDED) - mean["search"] + mean["raw"]
        each = [row["natlib"] / row["raw"] for row in rows]
        print(
            f"| {size} | {features} | {mean['raw']:.0f} | {steps} | {bound / mean['raw']:.2f} | "
            f"{mean['natlib'] / mean['raw']:.2f} | {sum(each) / len(each):.2f} |",
            flush=True,
        )


def print_peers(size: int, arguments: argparse.Namespace) -> None:
    others = {peer.label: peer.call for peer in peers("cpu")[0] if peer.exact}
    calls: dict[str, Callable[[Any], Any]] = {
        **others,
        "least": least,
        "auto": lambda problem: Auto().solve(problem.cost),
    }
    for features in FEATURES:
        total = dict.fromkeys(calls, 0.0)
        for seed in range(arguments.seeds):
            problem = make_instance(features, size, seed=seed)
            taken: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(arguments.rounds):
                for name, call in calls.items():
                    began = time.perf_counter()
                    call(problem)
                    taken[name].append(time.perf_counter() - began)
            for name, times in taken.items():
                total[name] += min(times)
        times = {name: 1e6 * seconds / arguments.seeds for name, seconds in total.items()}
        fastest = min(others, key=lambda name: times[name])
        print(
            f"| {size} | {features} | {times['auto']:.0f} | {fastest} | {times[fastest]:.0f} | "
            f"{times['auto'] / times[fastest]:.2f} | {times['least'] / times[fastest]:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--seeds", type=int, default=40, help="problems of each kind")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"microseconds, means over {arguments.seeds} problems, one thread")
    columns = ["raw", *STEPS, "least / raw", "natlib / raw", "mean of ratios"]
    print("| b | features | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for size in arguments.sizes:
        print_steps(size, arguments)
    print("\n| b | features | auto | fastest peer | its time | auto / it | least / it |")
    print("|---|---|---|---|---|---|---|")
    for size in arguments.sizes:
        print_peers(size, arguments)


if __name__ == "__main__":
    main()
