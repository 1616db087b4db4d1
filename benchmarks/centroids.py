"""How well the centroid of a sample's cell is known, against what that costs in a step.

    python benchmarks/centroids.py [--json FILE]

A sample regresses to the mean of m matched targets, an estimate of the centroid of its cell of
the target distribution. ``matchings`` are m matchings by ``lapjv``; ``cells`` estimates the
cells themselves (semi-discrete) from as many targets as that many matchings have, soft as by
default and hard. The reference comes from millions of other targets. Milliseconds are of the
processor, and include the generation of the targets.

``error`` is the root mean square distance to the reference, ``length`` the mean length of the
estimates over that of the reference: finite matchings pull centroids towards the middle, noise
makes them longer.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.assignment import Cells
from natlib.solvers import Lapjv
from natlib.targets import TargetDistribution, UniformSphere

LAYERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
HARD, SOFT = Cells(temperature=0.0), Cells()
# Targets of the reference that are made at a time.
CHUNK = 2**16


def features(kind: str, b: int, dim: int) -> Tensor:
    """Points on the sphere, spread evenly or around eight centres."""
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(b, dim, generator=generator)
    if kind == "clustered":
        middle = F.normalize(torch.randn(8, dim, generator=generator), dim=-1)
        z = middle.repeat(-(-b // 8), 1)[:b] + 0.05 * z
    return F.normalize(z, dim=-1)


def reference(z: Tensor, points: int) -> Tensor:
    """Centroids from fresh targets of a seed that nothing else uses."""
    targets = UniformSphere(dim=z.shape[1], seed=2**40)
    fresh = torch.cat([targets.rows(slots) for slots in torch.arange(points).split(CHUNK)])
    return HARD.estimate(z, fresh).centroid


def by_matchings(z: Tensor, targets: TargetDistribution, layers: int) -> Tensor:
    """Means of m matched targets."""
    own = targets.rows(torch.arange(layers * len(z))).view(layers, *z.shape)
    columns = Lapjv().match(z, own).columns
    return own.gather(1, columns.unsqueeze(-1).expand_as(own)).mean(0)


def by_cells(cells: Cells) -> Callable[[Tensor, TargetDistribution, int], Tensor]:
    """Centroids of cells, from the same targets."""

    def estimate(z: Tensor, targets: TargetDistribution, layers: int) -> Tensor:
        return cells.estimate(z, targets.rows(torch.arange(layers * len(z)))).centroid

    return estimate


def methods() -> dict[str, tuple[str, Callable[[Tensor, TargetDistribution, int], Tensor]]]:
    """What is compared: kind of targets and estimator of each."""
    return {
        "matchings": ("uniform_sphere", by_matchings),
        "cells, soft": ("uniform_sphere", by_cells(SOFT)),
        "cells, hard": ("uniform_sphere", by_cells(HARD)),
        "matchings, low discrepancy": ("low_discrepancy", by_matchings),
        "cells, soft, low discrepancy": ("low_discrepancy", by_cells(SOFT)),
    }


def measure(b: int, dim: int, points: int, seeds: int, layers: list[int]) -> list[dict]:
    """One record for each kind of features, method and number of targets a sample."""
    records = []
    for kind in ("random", "clustered"):
        z = features(kind, b, dim)
        truth = reference(z, points)
        for name, (distribution, estimate) in methods().items():
            estimate(z, UniformSphere(dim=dim), 1)  # what is set up at the first call
            for m in layers:
                errors, lengths, seconds = [], [], []
                for seed in range(seeds):
                    targets = TargetDistribution.resolve(
                        {"kind": distribution, "dim": dim, "seed": seed}
                    )
                    began = time.process_time()
                    found = estimate(z, targets, m)
                    seconds.append(time.process_time() - began)
                    errors.append(float((found - truth).square().sum(1).mean().sqrt()))
                    lengths.append(float(found.norm(dim=1).mean() / truth.norm(dim=1).mean()))
                records.append(
                    {"features": kind, "method": name, "m": m, "targets": m * b,
                     "error": statistics.mean(errors), "length": statistics.mean(lengths),
                     "ms": 1e3 * statistics.median(seconds)}
                )  # fmt: skip
    return records


def table(records: list[dict]) -> str:
    """As Markdown, best read from left to right."""
    lines = [
        "| features | method | targets a sample | error | length | ms |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['features']} | {r['method']} | {r['m']} | {r['error']:.3f} | {r['length']:.2f} "
        f"| {r['ms']:.1f} |"
        for r in records
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--layers", type=int, nargs="+", default=list(LAYERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reference", type=int, default=2**22, help="targets it is made of")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = measure(options.batch, options.dim, options.reference, options.seeds, options.layers)
    print(f"b = {options.batch}, d = {options.dim}, mean of {options.seeds} seeds, one thread")
    print(table(records))
    if options.json is not None:
        setting = {name: getattr(options, name) for name in ("batch", "dim", "seeds", "reference")}
        text = json.dumps({**setting, "records": records}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
