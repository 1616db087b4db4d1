"""Picture of NAT beside other losses over the epochs, from runs that were recorded:

python -m benchmarks.quality final d-text subj.csv --out runs/quality --trials 6 --record
"""

import json
import statistics
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from pictures.style import Theme, save

__all__ = ["draw"]

MEASURED = Path(__file__).parents[1] / "measured"
NAMES = {
    "nat": "NAT",
    "simclr": "SimCLR",
    "vicreg": "VICReg",
    "barlow_twins": "Barlow Twins",
    "swav": "SwAV",
    "lejepa": "LeJEPA",
    "byol": "BYOL",
    "simsiam": "SimSiam",
}
# How far apart labels are, in per cent; each is beside the end of its curve or below it.
_APART = 0.62


def draw(folder: Path) -> None:
    """Write the picture."""
    recorded = json.loads((MEASURED / "quality-d-text-final.json").read_text(encoding="utf-8"))

    def plot(theme: Theme) -> Figure:
        figure, axis = plt.subplots(figsize=(8.2, 4.2))
        ends: dict[str, float] = {}
        colours = dict(zip(("nat", "simclr", "vicreg"), theme.colours, strict=True))
        for method, runs in recorded.items():
            curves = [dict(run["curve"]) for run in runs]
            epochs = sorted(curves[0])
            rows = [[curve[epoch] for curve in curves] for epoch in epochs]
            means = [statistics.mean(row) for row in rows]
            colour = colours.get(method, theme.faint)
            axis.plot(epochs, means, "o-", color=colour, markersize=4, zorder=3)
            if method in colours:
                low, high = [min(row) for row in rows], [max(row) for row in rows]
                axis.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
            ends[method] = means[-1]
        place = float("inf")
        for method, end in sorted(ends.items(), key=lambda item: -item[1]):
            place = min(end, place - _APART)
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
        axis.tick_params(colors=theme.ink, labelsize=8)
        axis.patch.set_alpha(0)
        axis.grid(color=theme.faint, alpha=0.35, linewidth=0.5)
        for name, spine in axis.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(theme.faint)
        figure.tight_layout()
        return figure

    save(folder, "arenas", plot)
