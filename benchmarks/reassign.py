"""Reassigning all slots of a data set: seconds, memory, and the gap to the optimum.

    python benchmarks/reassign.py [--samples 1280000] [--exact 8192 16384]

First, at sizes that an exact solver can still solve as one problem: what each pass leaves of the
gap between random slots and the best ones. Then the whole data set: made-up features of 1,000
clusters, in half precision in a file; time and peak resident memory are those of a process that
does nothing else.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import natlib
from natlib.runtime.progress import ConsoleProgress
from natlib.solvers import pairwise_cost

CLUSTERS, CHUNK = 1000, 2**16


def write_features(path: Path, samples: int, dim: int, seed: int) -> None:
    """Unit vectors in half precision, around 1,000 random middles."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.nn.functional.normalize(torch.randn(CLUSTERS, dim, generator=generator), dim=1)
    held = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(samples, dim))
    for start in range(0, samples, CHUNK):
        count = min(CHUNK, samples - start)
        which = torch.randint(0, CLUSTERS, (count,), generator=generator)
        z = middle[which] + torch.randn(count, dim, generator=generator) / dim**0.5
        held[start : start + count] = torch.nn.functional.normalize(z, dim=1).half().numpy()
    held.flush()


def peak_memory() -> float:
    """Peak of the resident memory of this program in MiB (Linux).

    What the resource module says begins at the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def whole(path: str, samples: int, dim: int, state: str | None, result: Any) -> None:
    """Reassign the table of all samples; reports seconds, costs and memory."""
    before = peak_memory()
    table = natlib.AssignmentTable(samples)
    progress = ConsoleProgress()
    with progress:
        done = natlib.reassign(
            path, table, natlib.UniformSphere(dim=dim), state=state, progress=progress
        )
    peak = peak_memory()
    result.put(
        {"samples": samples, "dim": dim, "threads": torch.get_num_threads(), "before": done.before,
         "costs": done.costs, "moved": done.moved, "seconds": done.seconds,
         "MiB before": before, "MiB at the peak": peak}
    )  # fmt: skip


def gap_by_pass(path: Path, samples: int, dim: int, block: int) -> dict[str, Any]:
    """What is left, after each pass, of the gap between random slots and the best ones."""
    targets = natlib.UniformSphere(dim=dim)
    began = time.perf_counter()
    done = natlib.reassign(
        path, natlib.AssignmentTable(samples), targets, block=block, tolerance=0.0
    )
    seconds = time.perf_counter() - began
    z = torch.from_numpy(np.load(path)).float()
    began = time.perf_counter()
    matching = natlib.Lapjv().solve(pairwise_cost(z, targets.rows(torch.arange(samples))))
    exact_seconds = time.perf_counter() - began
    # A cost of the solver leaves out half the squared length of the features.
    best = (float(matching.cost) + 0.5 * float(z.double().square().sum())) / samples
    return {
        "samples": samples, "dim": dim, "block": block, "seconds": seconds,
        "exact seconds": exact_seconds, "matched cosine": 1 - best,
        "gaps": [(cost - best) / (done.before - best) for cost in done.costs],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_280_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--exact", type=int, nargs="*", default=[8192, 16384])
    parser.add_argument("--block", type=int, default=2048, help="of the sizes in --exact")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", help="a file to go on from after an interruption")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured: dict[str, Any] = {"gaps": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        for samples in arguments.exact:
            if not measured["gaps"]:
                columns = ("samples", "matched cosine", "natlib.reassign, s", "exact, s")
                print(f"| {' | '.join(columns)} | gap after each pass, % |")
                print("|---|---|---|---|---|")
            write_features(path, samples, arguments.dim, arguments.seed)
            row = gap_by_pass(path, samples, arguments.dim, arguments.block)
            measured["gaps"].append(row)
            gaps = ", ".join(f"{100 * gap:.1f}" for gap in row["gaps"])
            print(
                f"| {samples:,} | {row['matched cosine']:.3f} | {row['seconds']:.1f} "
                f"| {row['exact seconds']:.1f} | {gaps} |",
                flush=True,
            )
        if arguments.samples:
            write_features(path, arguments.samples, arguments.dim, arguments.seed)
            # A process of its own, so that its memory is nobody else's.
            spawn = multiprocessing.get_context("spawn")
            result: Any = spawn.Queue()
            settings = (str(path), arguments.samples, arguments.dim, arguments.state, result)
            process = spawn.Process(target=whole, args=settings)
            process.start()
            row = measured["whole"] = result.get()
            process.join()
            costs = ", ".join(f"{cost:.4f}" for cost in row["costs"])
            print(
                f"\n{row['samples']:,} samples, d = {row['dim']}, {row['threads']} threads:",
                end=" ",
            )
            print(f"{row['seconds']:.0f} s, {100 * row['moved']:.1f} % of the slots moved")
            print(f"Cost {row['before']:.4f}, after each pass {costs}")
            print(
                f"{row['MiB before']:.0f} MiB before, {row['MiB at the peak']:.0f} MiB at the peak"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
