"""natlib's solvers beside those of other packages, on the same costs in the same run.

    pip install 'natlib[benchmark]'
    python benchmarks/solvers.py --json solvers.json --picture solvers.svg

Prints Markdown: times, then the ratios that matter. Calls of all solvers take turns, so that
drift of the machine hits all alike; medians are compared. Sizes at which a call would take
longer than ``--limit`` seconds, judged by the sizes before, are left out.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence

import torch
from solver_peers import peers

from natlib.benchmark import (
    FEATURES,
    Measurement,
    candidates,
    draw,
    measure,
    write_measurements,
)
from natlib.runtime.progress import ConsoleProgress
from natlib.solvers import Solver

Number = Callable[[str, int], float | None]


class Results:
    """Measurements by features, size and label."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self.rows = measurements
        self.features = list(dict.fromkeys(row.features for row in measurements))
        self.sizes = sorted({row.size for row in measurements})
        self.labels = list(dict.fromkeys(row.label for row in measurements))
        self._found = {(row.features, row.size, row.label): row for row in measurements}

    def of(self, features: str, size: int, label: str) -> Measurement | None:
        return self._found.get((features, size, label))

    def seconds(self, features: str, size: int, label: str) -> float | None:
        row = self.of(features, size, label)
        return None if row is None else row.seconds

    def fastest(self, features: str, size: int, labels: Iterable[str]) -> float | None:
        known = [self.seconds(features, size, label) for label in labels]
        return min((seconds for seconds in known if seconds is not None), default=None)


def ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def table(
    title: str, results: Results, number: Number, target: str, least: Number | None = None
) -> None:
    """Kinds of features as rows, sizes as columns.

    ``least`` gives what a number that was not measured is expected to exceed.
    """
    print(f"\n{title} (target: {target})\n")
    print("| features | " + " | ".join(f"b = {size}" for size in results.sizes) + " |")
    print("|---|" + "---|" * len(results.sizes))
    for features in results.features:
        cells = []
        for size in results.sizes:
            value = number(features, size)
            bound = least(features, size) if least is not None and value is None else None
            text = "-" if bound is None else f"(> {bound:.1f})"
            cells.append(text if value is None else f"{value:.2f}")
        print(f"| {features} | " + " | ".join(cells) + " |")


def print_times(results: Results) -> None:
    for features in results.features:
        print(f"\nMilliseconds of a call, {features} features\n")
        print("| | " + " | ".join(f"b = {size}" for size in results.sizes) + " |")
        print("|---|" + "---|" * len(results.sizes))
        for label in results.labels:
            cells = []
            for size in results.sizes:
                seconds = results.seconds(features, size, label)
                cells.append("-" if seconds is None else f"{1e3 * seconds:.3g}")
            print(f"| {label} | " + " | ".join(cells) + " |")


def print_approximate(results: Results) -> None:
    """What approximate solvers lose, and their time as a share of an exact solver's."""
    print("\nApproximate solvers: gap, and time as a share of natlib's lapjv\n")
    print("Of solvers that work on points, the time to make the costs of all pairs is added to")
    print("that of lapjv. `*`: within 3 % of the optimum in at most a third of the time;")
    print("`!`: not converged.\n")
    print("| features | solver | " + " | ".join(f"b = {size}" for size in results.sizes) + " |")
    print("|---|---|" + "---|" * len(results.sizes))
    for features in results.features:
        for label in results.labels:
            rows = [results.of(features, size, label) for size in results.sizes]
            if all(row is None or row.exact or row.gap is None for row in rows):
                continue
            cells = [_approximate(results, row) for row in rows]
            print(f"| {features} | {label} | " + " | ".join(cells) + " |")


def _approximate(results: Results, row: Measurement | None) -> str:
    if row is None or row.gap is None or row.seconds is None:
        return "-"
    gap = f"{100 * row.gap:.2g} %"
    exact = results.seconds(row.features, row.size, "lapjv")
    if exact is None:
        return gap
    share = row.seconds / (exact + (row.cost_seconds or 0.0 if row.points else 0.0))
    mark = "*" if row.gap <= 0.03 and share <= 1 / 3 else ""
    return f"{gap}, {share:.2f}{mark}{'' if row.converged else '!'}"


def print_ratios(results: Results, exact_peers: Sequence[str], limit: float) -> None:
    table(
        "(a) natlib's lapjv / the raw call lapjv.lapjv",
        results,
        lambda f, b: ratio(results.seconds(f, b, "lapjv"), results.seconds(f, b, "lapjv.lapjv")),
        "at most 1.15 from b = 256",
    )
    table(
        f"(b) auto / the fastest exact peer of {', '.join(exact_peers)}",
        results,
        lambda f, b: ratio(results.seconds(f, b, "auto"), results.fastest(f, b, exact_peers)),
        "at most 1.2",
    )
    table(
        f"(c) scipy's own function / auto, in brackets if scipy would take more than {limit:g} s",
        results,
        lambda f, b: ratio(results.seconds(f, b, "scipy.lsa"), results.seconds(f, b, "auto")),
        "at least 3 from b = 1024 on clustered and collapsed features",
        lambda f, b: ratio(limit, results.seconds(f, b, "auto")),
    )


def print_surprises(measurements: Sequence[Measurement]) -> None:
    """What a reader would not expect: exact ones that are not, and what was left out."""
    print()
    for row in measurements:
        where = f"{row.label}, {row.features}, b = {row.size}"
        if row.exact and row.gap is not None and row.gap > 1e-5:
            print(f"- not optimal: {where}: {100 * row.gap:.2g} %")
        if row.skipped:
            print(f"- left out: {where}: {row.skipped}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024, 2048, 4096, 8192])
    parser.add_argument("--features", nargs="+", default=list(FEATURES), choices=list(FEATURES))
    parser.add_argument("--solvers", nargs="*", default=None, help="natlib's; by default all")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=8.0, help="seconds of a call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=None, help="threads of torch")
    parser.add_argument("--json", default=None)
    parser.add_argument("--picture", default=None)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    chosen = candidates(arguments.solvers or Solver.registry.kinds())
    others, missing = ([], []) if arguments.no_peers else peers(arguments.device)
    measurements = measure(
        [*chosen, *others],
        features=arguments.features,
        sizes=arguments.sizes,
        dim=arguments.dim,
        repeats=arguments.repeats,
        limit=arguments.limit,
        seed=arguments.seed,
        device=arguments.device,
        progress=ConsoleProgress(),
    )
    if arguments.json:
        write_measurements(arguments.json, measurements)
    if arguments.picture:
        draw(measurements, arguments.picture)
    print(f"{arguments.device}, {torch.get_num_threads()} threads, d = {arguments.dim}, ", end="")
    print(f"medians of up to {arguments.repeats} calls")
    for line in missing:
        print(f"- {line}")
    results = Results(measurements)
    print_times(results)
    if others:
        print_ratios(results, [peer.label for peer in others if peer.exact], arguments.limit)
    print_approximate(results)
    print_surprises(measurements)


if __name__ == "__main__":
    main()
