"""Picture and table of what each ingredient of NAT gives, from runs that were recorded:

python -m benchmarks.quality ablation a cifar10/ --out runs/quality --seeds 0 --record
"""

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from pictures.style import Theme, frame, save

__all__ = ["GROUPS", "RECORDED", "draw", "table"]

RECORDED = Path(__file__).parents[1] / "measured" / "quality-a-ablation.json"
BASE = "as it is"
# Points that two runs may differ by without a reason.
NOISE = 1.5
PROBES = {"knn": "kNN", "linear": "linear probe"}

GROUPS = {
    "Attraction, repulsion, alignment": [
        "no repulsion", "repulsion 0.5", "repulsion 2",
        "temperature 0.05", "temperature 0.1", "temperature 0.15", "temperature 0.2",
        "temperature 0.4", "target weight 2.5", "target weight 10",
        "no alignment", "alignment 0.3", "alignment 3",
    ],
    "What a sample aims at: the mean of m matched targets": [
        "m = 1", "m = 4", "m = 8", "m = 16", "m = 32", "m = 64", "greedy", "sinkhorn",
    ],
    "What a sample aims at: the centroid of a cell": [
        "points of cells 1024", "points of cells 2048", "points of cells 8192",
        "points of cells 16384", "temperature of cells 0.1", "temperature of cells 0.5",
        "temperature of cells 1.0", "temperature of cells 2.0",
    ],
    "Dimension of the targets": ["d = 16", "d = 32", "d = 64", "d = 128", "d = 256", "d = 512"],
    "Kind of the targets": [
        "gaussian", "low discrepancy", "hypercube", "one-hot",
        "fixed prototypes", "matched prototypes", "learned prototypes",
    ],
    "Slots kept in a bank, 16 for each sample": [
        "bank", "bank, every third epoch", "bank, never reassigned",
    ],
    "Views, and what they are matched on and aligned with": [
        "matched on the first view", "aligned with a teacher, 0.99",
        "aligned with a teacher, 0.996", "three views", "four views",
    ],
    "Head and optimiser": [
        "linear head", "head of 2048", "two hidden layers", "batch of 128", "batch of 512",
        "learning rate of the preset", "constant rate",
        "weight decay 0.00001", "weight decay 0.001",
    ],
}  # fmt: skip
"""Names of ablations under the headings that pages show them by."""

Runs = dict[str, list[dict[str, Any]]]


def draw(folder: Path) -> None:
    """Write the picture."""
    runs = _recorded()
    save(folder, "ablations", lambda theme: _plot(runs, theme))


def table() -> str:
    """Every ingredient as Markdown: both probes, and how far their mean is from the base's."""
    runs = _recorded()
    lines = ["| | seeds | kNN | linear | difference |", "|---|---|---|---|---|"]
    lines.append(_row(runs, BASE, ""))
    for heading, names in _groups(runs).items():
        lines.append(f"| **{heading}** | | | | |")
        for name in names:
            away = statistics.mean(_away(runs, name, probe) for probe in PROBES)
            lines.append(_row(runs, name, f"{away:+.1f}"))
    return "\n".join(lines) + "\n"


def _recorded() -> Runs:
    runs: Runs = json.loads(RECORDED.read_text(encoding="utf-8"))
    return runs


def _groups(runs: Runs) -> dict[str, list[str]]:
    """What has been measured; values that the base has anyway have not."""
    measured = {
        heading: [name for name in names if name in runs] for heading, names in GROUPS.items()
    }
    return {heading: names for heading, names in measured.items() if names}


def _row(runs: Runs, name: str, away: str) -> str:
    means = [statistics.mean(run["encoder"][probe] for run in runs[name]) for probe in PROBES]
    return f"| {name} | {len(runs[name])} | {means[0]:.1f} | {means[1]:.1f} | {away} |"


def _away(runs: Runs, name: str, probe: str) -> float:
    """Mean difference to the base, which needs a run with each of the seeds."""
    base = {_seed(run): run["encoder"][probe] for run in runs[BASE]}
    return statistics.mean(run["encoder"][probe] - base[_seed(run)] for run in runs[name])


def _seed(run: dict[str, Any]) -> str:
    found: str = next(text for text in run["settings"] if text.startswith("training.seed="))
    return found


def _plot(runs: Runs, theme: Theme) -> Figure:
    groups = _groups(runs)
    height = sum(len(names) + 1.4 for names in groups.values())
    figure, axis = plt.subplots(figsize=(8.2, 0.2 * height + 0.7))
    place = 0.0
    places: list[float] = []
    for heading, names in groups.items():
        place -= 1.4
        axis.annotate(
            heading, (0, place), xycoords=("axes fraction", "data"), color=theme.ink,
            fontsize=8, fontweight="bold", va="center",
        )  # fmt: skip
        for name in names:
            place -= 1
            places.append(place)
            ends = [_away(runs, name, probe) for probe in PROBES]
            axis.plot(ends, [place, place], color=theme.faint, linewidth=1, zorder=1)
            for end, colour in zip(ends, theme.colours, strict=False):
                axis.plot(end, place, "o", color=colour, markersize=4.5, zorder=2)
    for label, colour in zip(PROBES.values(), theme.colours, strict=False):
        axis.plot([], [], "o", color=colour, markersize=4.5, label=label)
    axis.axvspan(-NOISE, NOISE, color=theme.faint, alpha=0.15, linewidth=0, zorder=0)
    axis.axvline(0, color=theme.ink, linewidth=0.8)
    axis.set_yticks(places, [name for names in groups.values() for name in names])
    axis.set_ylim(place - 0.8, -0.5)
    axis.set_xlabel("points more or less than NAT as it is", color=theme.ink)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=theme.faint, alpha=0.35, linewidth=0.5)
    frame(axis, theme, "bottom")
    axis.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8,
        labelcolor=theme.ink,
    )  # fmt: skip
    figure.tight_layout()
    return figure
