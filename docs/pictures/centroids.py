"""Picture of what a centroid's error costs, from numbers that were measured and recorded:

python benchmarks/centroids.py --json docs/measured/centroids.json
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from pictures.style import Theme, frame, save

__all__ = ["draw"]

RECORDED = Path(__file__).parents[1] / "measured" / "centroids.json"
SHOWN = {"matchings": "m matchings", "cells, hard": "hard cells", "cells, soft": "soft cells"}


def draw(folder: Path) -> None:
    """Write the picture."""
    records = json.loads(RECORDED.read_text(encoding="utf-8"))["records"]
    kinds = list(dict.fromkeys(record["features"] for record in records))

    def plot(theme: Theme) -> Figure:
        figure, axes = plt.subplots(1, len(kinds), figsize=(8.2, 3.6), sharey=True)
        for axis, kind in zip(axes, kinds, strict=True):
            for method, colour in zip(SHOWN, theme.colours, strict=True):
                rows = [r for r in records if (r["method"], r["features"]) == (method, kind)]
                ms, error = [r["ms"] for r in rows], [r["error"] for r in rows]
                axis.loglog(ms, error, "o-", color=colour, markersize=4, label=SHOWN[method])
            axis.set_title(f"{kind} features", color=theme.ink, fontsize=10)
            axis.set_xlabel("milliseconds in a step", color=theme.ink)
            axis.grid(color=theme.faint, alpha=0.35, linewidth=0.5)
            frame(axis, theme, *axis.spines)
        axes[0].set_ylabel("error of the centroids", color=theme.ink)
        axes[0].legend(frameon=False, labelcolor=theme.ink, fontsize=9)
        figure.tight_layout()
        return figure

    save(folder, "centroids", plot)
