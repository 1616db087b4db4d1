"""What the pictures have in common: one of each for a light page and for a dark one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["THEMES", "Theme", "frame", "one_thread", "save"]


@dataclass(frozen=True)
class Theme:
    """Colours that can be seen on one kind of page.

    Attributes:
        name: of the kind of page.
        ink: for text and outlines.
        faint: for what stays in the background.
        colours: three that differ for everybody, those of clusters and curves.
    """

    name: str
    ink: str
    faint: str
    colours: tuple[str, str, str]


THEMES = (
    Theme("light", "#3b3b3b", "#b8b8b8", ("#1f6fb4", "#c9581c", "#2f8f57")),
    Theme("dark", "#cfcfcf", "#6b6b6b", ("#58a6e6", "#f0915a", "#5fc48a")),
)


def frame(axis: Axes, theme: Theme, *sides: str) -> None:
    """No background, small ticks, and lines on these sides only."""
    axis.tick_params(which="both", colors=theme.ink, labelsize=8)
    axis.patch.set_alpha(0)
    for name, spine in axis.spines.items():
        spine.set_visible(name in sides)
        spine.set_color(theme.faint)


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny networks are fastest on one thread; torch's settings are restored afterwards."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


def save(folder: Path, name: str, plot: Callable[[Theme], Figure]) -> None:
    """Draw for every theme, into ``name-light.svg`` and ``name-dark.svg``."""
    for theme in THEMES:
        with plt.rc_context({"svg.hashsalt": "natlib", "text.color": theme.ink}):
            figure = plot(theme)
            path = folder / f"{name}-{theme.name}.svg"
            figure.savefig(path, transparent=True, metadata={"Date": None})
            plt.close(figure)
