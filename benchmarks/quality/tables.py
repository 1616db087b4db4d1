"""What people read: tables in Markdown, curves as a picture."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.trained import cell

__all__ = ["draw_curves", "final_table", "score", "search_table"]

Runs = Sequence[dict[str, Any]]


def score(run: dict[str, Any]) -> float:
    """What settings are chosen by: the mean of both probes on the encoder; 0 if it diverged."""
    if "diverged" in run:
        return 0.0
    return (run["encoder"]["knn"] + run["encoder"]["linear"]) / 2


def final_table(results: Mapping[str, Runs]) -> str:
    """Mean and spread over seeds of each method, and the baselines of the first that has them."""
    lines = ["| method | seeds | kNN | linear | training, s |", "|---|---|---|---|---|"]

    def add(name: str, runs: Runs, row: str, seconds: str) -> None:
        if not runs:
            lines.append(f"| {name} | 0 | - | - | |")
            return
        cells = [cell([run[row][probe] for run in runs]) for probe in ("knn", "linear")]
        lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} | {seconds} |")

    whole = {name: [run for run in runs if "diverged" not in run] for name, runs in results.items()}
    for name, runs in whole.items():
        lost = len(results[name]) - len(runs)
        title = f"{name} ({lost} diverged)" if lost else name
        add(title, runs, "encoder", cell([run["seconds"] for run in runs], 0) if runs else "")
    beside = next((runs for runs in whole.values() if runs and "raw" in runs[0]), [])
    for row, name in (("random", "random encoder"), ("raw", "raw inputs")) if beside else ():
        add(name, beside, row, "")
    return "\n".join(lines)


def search_table(found: Mapping[str, Sequence[tuple[dict[str, Any], dict[str, Any]]]]) -> str:
    """The best trial of each method on validation images, and where its start was."""
    lines = ["| method | trials | start | best | settings of the best |", "|---|---|---|---|---|"]
    for name, trials in found.items():
        best = max(trials, key=lambda trial: score(trial[1]))
        chosen = ", ".join(f"{key.split('.')[-1]} {value}" for key, value in best[0].items())
        lines.append(
            f"| {name} | {len(trials)} | {score(trials[0][1]):.1f} | {score(best[1]):.1f} | "
            f"{chosen} |"
        )
    return "\n".join(lines)


def draw_curves(results: Mapping[str, Runs], path: Path) -> None:
    """kNN accuracy over epochs, the mean of the seeds with their range."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2))
    for name, runs in results.items():
        curves = [dict(run["curve"]) for run in runs if run.get("curve")]
        if not curves:
            continue
        epochs = sorted(set.intersection(*(set(curve) for curve in curves)))
        rows = [[curve[epoch] for curve in curves] for epoch in epochs]
        (line,) = axes.plot(epochs, [statistics.mean(row) for row in rows], label=name)
        low, high = [min(row) for row in rows], [max(row) for row in rows]
        axes.fill_between(epochs, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
    axes.set(xlabel="epochs", ylabel="kNN accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
