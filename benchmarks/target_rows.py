"""How long target rows take, as a multiple of torch.randn of that shape in the same run.

    python benchmarks/target_rows.py

Asked: at most 3 times on two cores. Each time is the median over rounds in which torch.randn and
all targets take turns, so that all of them meet the same machine. ``--clock cpu`` counts the time
that this process computes, which says more on a machine that has other work.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from natlib import Gaussian, Hypercube, LowDiscrepancy, Mixture, Prototypes, UniformSphere


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    arguments = parser.parse_args()
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    slot = torch.arange(arguments.rows)
    dim = arguments.dim
    work: dict[str, Callable[[], object]] = {
        "torch.randn": lambda: torch.randn(arguments.rows, dim),
    }
    for targets in (
        UniformSphere(dim=dim),
        Gaussian(dim=dim),
        Hypercube(dim=dim),
        LowDiscrepancy(dim=dim),
        Mixture(components=(UniformSphere(), Hypercube()), dim=dim),
        Prototypes(count=1000, dim=dim),
    ):
        work[targets.kind] = lambda targets=targets: targets.rows(slot)  # type: ignore[misc]
    print(f"{arguments.rows} rows of {dim} dimensions, median of {arguments.rounds}")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        taken: dict[str, list[float]] = {name: [] for name in work}
        for turn in range(arguments.rounds + 2):
            for name, make in work.items():
                began = clock()
                make()
                if turn >= 2:  # the first rounds fill caches
                    taken[name].append(clock() - began)
        reference = statistics.median(taken["torch.randn"])
        for name, times in taken.items():
            median = statistics.median(times)
            print(
                f"{threads} threads  {name:16} {1000 * median:8.2f} ms  {median / reference:6.2f} x"
            )


if __name__ == "__main__":
    main()
