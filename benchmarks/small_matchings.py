"""What a matching by natlib's ``lapjv`` takes beside the search, piece by piece.

    python benchmarks/small_matchings.py

The raw call ``lapjv.lapjv`` and the steps of ``Lapjv.solve`` around the same search take turns; the
least time of each counts, so that other work on the machine matters little. ``least`` is what no
call through natlib can do without: a check of its costs, the search, a proof, and an answer in
tensors.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import lapjv as package
import numpy as np
import torch

from natlib.benchmark import FEATURES, make_problem
from natlib.solvers import Lapjv, Matching
from natlib.solvers.base import checked
from natlib.solvers.centring import at, unopposed
from natlib.solvers.grid import grid_start, onto_grid
from natlib.solvers.lapjv import _contended, _proven

STEPS = ["check", "wishes", "few rows", "grid", "search", "proof", "answer"]
NEEDED = ["check", "search", "proof", "answer"]


def one_problem(features: str, size: int, seed: int, rounds: int) -> dict[str, float]:
    """Microseconds of each step, of the raw call and of the whole."""
    problem = make_problem(features, size, seed=seed)
    cost, array = problem.cost, problem.array
    memory = np.empty_like(array)
    span = float(array.max()) - float(array.min())
    solver = Lapjv()
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
        return onto_grid(array, grid_start(high - low, 2) - low, memory)

    def answer(columns: np.ndarray) -> Matching:
        paid = torch.from_numpy(np.array(at(array, columns).sum(dtype=np.float64)))
        found = torch.from_numpy(columns.astype(np.int64))
        return Matching(found, paid, True, 0, True, torch.zeros_like(paid))

    for _ in range(rounds):
        timed("raw", raw)
        timed("natlib", solver.solve, cost)
        timed("check", checked, cost, None)
        timed("wishes", unopposed, array)
        timed("few rows", _contended, array, span)
        whole = timed("grid", grid)
        columns, _, (_, _, price) = timed("search", package.lapjv, whole)
        timed("proof", _proven, whole, columns, price, None)
        timed("answer", answer, columns)
    return {name: 1e6 * min(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"microseconds, means over {arguments.seeds} problems, one thread")
    print("| b | features | raw | " + " | ".join(STEPS) + " | least / raw | natlib / raw, each |")
    print("|---|---|---|" + "---|" * (len(STEPS) + 2))
    for size in arguments.sizes:
        for features in FEATURES:
            rows = [
                one_problem(features, size, seed, arguments.rounds)
                for seed in range(arguments.seeds)
            ]
            mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
            steps = " | ".join(f"{mean[name]:.0f}" for name in STEPS)
            # The search at hand may be a lucky one: the raw call's own stands for it.
            least = sum(mean[name] for name in NEEDED) - mean["search"] + mean["raw"]
            each = ", ".join(f"{row['natlib'] / row['raw']:.2f}" for row in rows)
            print(
                f"| {size} | {features} | {mean['raw']:.0f} | {steps} | "
                f"{least / mean['raw']:.2f} | {each} |"
            )


if __name__ == "__main__":
    main()
