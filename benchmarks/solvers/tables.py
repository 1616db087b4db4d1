"""Measurements as Markdown: times, and the ratios that matter."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.solvers.measurement import Measurement

__all__ = ["Results", "print_approximate", "print_ratios", "print_surprises", "print_times"]

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
