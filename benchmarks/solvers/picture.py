"""The picture of a benchmark: what is lost against the time it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.solvers.measurement import Measurement
from natlib.errors import ConfigError

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["DARK", "LIGHT", "Colours", "check_drawable", "draw", "figure"]


@dataclass(frozen=True)
class Colours:
    """What a picture is drawn in.

    Attributes:
        ink: for text.
        faint: for lines in the background.
        solvers: one for each solver; they start anew when they are used up.
        page: behind it all, None for nothing.
    """

    ink: str
    faint: str
    solvers: tuple[str, ...]
    page: str | None = None


LIGHT = Colours(
    "#3b3b3b",
    "#b8b8b8",
    ("#1f6fb4", "#c9581c", "#2f8f57", "#8a4fbf", "#b98a00", "#c2347a", "#12979d", "#5b5b5b",
     "#7a4a21", "#6c7a00"),
    "#ffffff",
)  # fmt: skip
"""For a light page."""
DARK = Colours(
    "#cfcfcf",
    "#6b6b6b",
    ("#58a6e6", "#f0915a", "#5fc48a", "#b98aea", "#e0b84a", "#ee7fa8", "#4cc7cc", "#b5b5b5",
     "#c99a6b", "#b5c24a"),
)  # fmt: skip
"""For a dark page."""

# The same solver looks the same in every picture; others follow in the order of their names.
_KNOWN = ("lapjv", "scipy", "greedy", "sinkhorn", "auction", "sliced", "blockwise", "auto")
_MARKERS = "osDv^PXohd"
# Gaps that no picture can tell from none are drawn here.
_NONE = 1e-5
# Names in a row of the legend for each panel across, and the height of a row in inches.
_ACROSS, _ROW = 4, 0.26
_SUFFIXES = (".svg", ".png", ".pdf")


def draw(measurements: Sequence[Measurement], path: Path | str) -> None:
    """Draw measurements into a file.

    Args:
        measurements: at least one that was not skipped.
        path: ends in .svg, .png or .pdf.

    Raises:
        ConfigError: matplotlib is missing, the file has another ending, or there is
            nothing to draw.
    """
    check_drawable(path)
    image = figure(measurements)
    image.savefig(path, dpi=150)


def check_drawable(path: Path | str) -> None:
    """Complain before hours of measuring, not afterwards; see :func:`draw`."""
    if Path(path).suffix not in _SUFFIXES:
        raise ConfigError(
            f"{path} is no name of a picture; expected one that ends in {', '.join(_SUFFIXES)}"
        )
    _matplotlib()


def figure(
    measurements: Sequence[Measurement], colours: Colours = LIGHT
) -> matplotlib.figure.Figure:
    """A matplotlib figure with a panel for each kind of features.

    Each point is a solver with one setting at one size; a line joins the settings of a solver
    at a size. To the left is faster, further down is better; both axes are logarithmic.

    Args:
        measurements: those that were skipped, or have no gap, are left out.
        colours: what it is drawn in.

    Raises:
        ConfigError: matplotlib is missing, or there is nothing to draw.
    """
    plot = _matplotlib()
    shown = [row for row in measurements if row.seconds is not None and row.gap is not None]
    if not shown:
        raise ConfigError("nothing was measured, so there is nothing to draw; raise the limit")
    kinds = list(dict.fromkeys(row.features for row in shown))
    across = min(len(kinds), 2)
    down = -(-len(kinds) // across)
    looks = _looks(shown, colours)
    legend = _ROW * (1 + -(-len(looks) // (across * _ACROSS)))
    width, height = 1.2 + 4.2 * across, 1.0 + legend + 2.9 * down
    image: matplotlib.figure.Figure = plot.Figure(figsize=(width, height))
    image.patch.set_facecolor(colours.page or "none")
    panels = image.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    sizes = sorted({row.size for row in shown})
    areas = {size: 12 + 60 * n / max(len(sizes) - 1, 1) for n, size in enumerate(sizes)}
    for kind, axes in zip(kinds, panels.flat, strict=False):
        _panel(axes, kind, [row for row in shown if row.features == kind], looks, areas, colours)
    for axes in panels.flat[len(kinds) :]:
        axes.set_visible(False)
    for axes in panels[-1]:
        axes.set_xlabel("seconds for a call", color=colours.ink, fontsize=9)
    for axes in panels[:, 0]:
        axes.set_ylabel("gap to the optimum", color=colours.ink, fontsize=9)
    _legends(image, looks, areas, colours, across)
    image.subplots_adjust(
        left=0.95 / width, right=0.985, top=1 - 0.35 / height,
        bottom=(0.65 + legend) / height, wspace=0.06, hspace=0.16,
    )  # fmt: skip
    return image


class _Look(NamedTuple):
    colour: str
    marker: str
    hollow: bool


def _looks(shown: Sequence[Measurement], colours: Colours) -> dict[str, _Look]:
    """How the dots of each solver look.

    Those of auto are rings: it is as fast as what it chose, and would hide it. Those that
    natlib does not have are hollow too.
    """
    present = dict.fromkeys(row.solver for row in shown)
    order = [*_KNOWN, *(name for name in present if name not in _KNOWN)]
    return {
        name: _Look(
            colours.solvers[n % len(colours.solvers)],
            _MARKERS[n % len(_MARKERS)],
            name == "auto" or n >= len(_KNOWN),
        )
        for n, name in enumerate(order)
        if name in present
    }


def _panel(
    axes: matplotlib.axes.Axes,
    kind: str,
    rows: Sequence[Measurement],
    looks: dict[str, _Look],
    areas: dict[int, float],
    colours: Colours,
) -> None:
    for solver, (colour, marker, hollow) in looks.items():
        for size, area in areas.items():
            mine = [row for row in rows if (row.solver, row.size) == (solver, size)]
            x = [row.seconds or 0.0 for row in mine]
            y = [max(row.gap or 0.0, _NONE) for row in mine]
            axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.55, zorder=2)
            axes.scatter(
                x, y, s=2 * area if solver == "auto" else area, marker=marker, alpha=0.9, zorder=3,
                facecolors="none" if hollow else colour, edgecolors=colour,
                linewidths=1.2 if hollow else 0,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(_NONE / 2.5, 2)
    ticks = [10.0**power for power in range(-5, 1)]
    axes.set_yticks(ticks, ["none", *(f"{100 * tick:g} %" for tick in ticks[1:])])
    axes.minorticks_off()
    axes.set_title(kind, fontsize=10.5, color=colours.ink)
    axes.set_facecolor("none")
    axes.tick_params(colors=colours.ink, labelcolor=colours.ink, labelsize=8)
    axes.grid(color=colours.faint, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(colours.faint)


def _legends(
    image: matplotlib.figure.Figure,
    looks: dict[str, _Look],
    areas: dict[int, float],
    colours: Colours,
    across: int,
) -> None:
    from matplotlib.lines import Line2D

    def dot(look: _Look, area: float, name: str) -> Line2D:
        return Line2D(
            [], [], linestyle="", marker=look.marker, color=look.colour, markersize=area**0.5,
            markerfacecolor="none" if look.hollow else look.colour,
            markeredgewidth=1.2 if look.hollow else 0, label=name,
        )  # fmt: skip

    grey = _Look(colours.faint, "o", False)
    rows = [[dot(grey, area, f"b = {size}") for size, area in areas.items()]]
    names = list(looks)
    for first in range(0, len(names), across * _ACROSS)[::-1]:
        some = names[first : first + across * _ACROSS]
        rows.append([dot(looks[name], 40, name) for name in some])
    for number, handles in enumerate(rows):
        image.legend(
            handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=8.5,
            bbox_to_anchor=(0.5, (0.04 + _ROW * number) / image.get_figheight()),
            labelcolor=colours.ink, handletextpad=0.2, columnspacing=1.2, borderpad=0,
        )  # fmt: skip


def _matplotlib() -> Any:
    try:
        import matplotlib.figure
    except ImportError as error:
        raise ConfigError(
            "pictures need matplotlib, which is not installed; "
            "install it with: pip install 'natlib[plot]'"
        ) from error
    return matplotlib.figure
