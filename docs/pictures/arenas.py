"""Pictures of NAT beside other losses over the epochs, one for each arena whose runs were recorded:

python -m benchmarks.quality final ARENA DATA --out runs/quality --trials 12 --record
"""

import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from pictures.style import Theme, frame, save

__all__ = ["draw"]

Recorded = dict[str, list[dict[str, Any]]]

MEASURED = Path(__file__).parents[1] / "measured"
NAMES = {
    "nat": "NAT",
    "nat_alone": "NAT, no repulsion",
    "dcl": "DCL",
    "simclr": "SimCLR",
    "vicreg": "VICReg",
    "barlow_twins": "Barlow Twins",
    "swav": "SwAV",
    "lejepa": "LeJEPA",
    "byol": "BYOL",
    "simsiam": "SimSiam",
}
# How far apart labels are, as a share of the height; each is beside the end of its curve, or below.
_APART = 0.05


def draw(folder: Path) -> None:
    """Write the pictures."""
    for path in sorted(MEASURED.glob("quality-*-final.json")):
        arena = path.stem.removeprefix("quality-").removesuffix("-final")
        recorded: Recorded = json.loads(path.read_text(encoding="utf-8"))
        save(folder, f"arena-{arena}", partial(_plot, recorded))


def _plot(recorded: Recorded, theme: Theme) -> Figure:
    figure, axis = plt.subplots(figsize=(8.2, 4.2))
    ends: dict[str, float] = {}
    colours = dict(zip(("nat", "simclr", "vicreg"), theme.colours, strict=True))
    colours["nat_alone"] = colours["nat"]
    for method, runs in recorded.items():
        curves = [dict(run["curve"]) for run in runs]
        epochs = sorted(curves[0])
        rows = [[curve[epoch] for curve in curves] for epoch in epochs]
        means = [statistics.mean(row) for row in rows]
        colour = colours.get(method, theme.faint)
        line = "o--" if method == "nat_alone" else "o-"
        axis.plot(epochs, means, line, color=colour, markersize=4, zorder=3)
        if method in colours:
            low, high = [min(row) for row in rows], [max(row) for row in rows]
            axis.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        ends[method] = means[-1]
    bottom, top = axis.get_ylim()
    place = float("inf")
    for method, end in sorted(ends.items(), key=lambda item: -item[1]):
        place = min(end, place - _APART * (top - bottom))
        axis.annotate(
            NAMES[method],
            (epochs[-1], place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colours.get(method, theme.ink),
            fontsize=9,
        )
    axis.set_xlabel("epochs", color=theme.ink)
    axis.set_ylabel("kNN accuracy while training, %", color=theme.ink)
    axis.set_xticks(epochs)
    axis.grid(color=theme.faint, alpha=0.35, linewidth=0.5)
    frame(axis, theme, "left", "bottom")
    figure.tight_layout()
    return figure
