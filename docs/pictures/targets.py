"""The pictures of "Target distributions": what each looks like in two or three dimensions."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from pictures.style import Theme, one_thread, save
from torch import Tensor

from natlib import (
    FromArray,
    Gaussian,
    Hypercube,
    LowDiscrepancy,
    Mixture,
    OneHot,
    ProjectedNormal,
    Prototypes,
    TargetDistribution,
    UniformSphere,
)

__all__ = ["draw"]

POINTS = 300
COLUMNS = 3


def _spiral(folder: Path) -> FromArray:
    """Somebody's own targets: a curve on the sphere."""
    turn = torch.linspace(0, 1, POINTS)
    height, angle = 2 * turn - 1, 10 * torch.pi * turn
    radius = (1 - height.square()).sqrt()
    curve = torch.stack([radius * angle.cos(), radius * angle.sin(), height], dim=1)
    return FromArray.save(curve, folder / "spiral.npy")


def _panels(folder: Path) -> list[tuple[str, TargetDistribution, Tensor]]:
    """Title, targets, and the colour 0, 1 or 2 of each slot."""
    slot = torch.arange(POINTS)
    plain = torch.zeros_like(slot)
    one_hot, prototypes = OneHot(dim=3), Prototypes(count=12, dim=3)
    mixture = Mixture(components=(ProjectedNormal(spread=0.25),), repeat=6, dim=3)
    return [
        ("uniform_sphere", UniformSphere(dim=3), plain),
        ("low_discrepancy", LowDiscrepancy(dim=3), plain),
        ("gaussian", Gaussian(dim=3), plain),
        ("hypercube", Hypercube(dim=3), plain),
        ("one_hot", one_hot, one_hot.class_of(slot)),
        ("prototypes", prototypes, prototypes.prototype_of(slot) % 3),
        ("projected_normal", ProjectedNormal(dim=3), plain),
        ("mixture", mixture, mixture.component_of(slot) % 3),
        ("from_array", _spiral(folder), plain),
    ]


def _ball(figure: Figure, place: tuple[int, int, int], title: str, theme: Theme) -> plt.Axes:
    """Axes in three dimensions with the outline of the unit sphere."""
    axes = figure.add_subplot(*place, projection="3d")
    turn = torch.linspace(0, 2 * torch.pi, 100)
    none = torch.zeros_like(turn)
    for circle in ((turn.cos(), turn.sin(), none), (turn.cos(), none, turn.sin()),
                   (none, turn.cos(), turn.sin())):  # fmt: skip
        axes.plot(*(part.numpy() for part in circle), color=theme.faint, linewidth=0.7)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    axes.set_box_aspect((1, 1, 1), zoom=1.45)
    axes.view_init(elev=22, azim=35)
    axes.set_title(title, fontsize=10.5, y=1.02)
    axes.set_axis_off()
    axes.patch.set_alpha(0)
    return axes


def _circles(theme: Theme) -> Figure:
    """Random and low-discrepancy points on the circle: 64 of each, as lines from the centre."""
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.2))
    for axes, targets in zip(panels, (UniformSphere(dim=2), LowDiscrepancy(dim=2)), strict=True):
        rows = targets.rows(torch.arange(64))
        axes.add_patch(plt.Circle((0, 0), 1.0, fill=False, color=theme.faint, linewidth=0.8))
        axes.scatter(*rows.T, s=16, c=theme.colours[0], linewidths=0)
        error = float(rows.mean(0).norm())
        axes.set_title(targets.kind, fontsize=11)
        axes.text(0, 0, f"distance of the mean\nfrom the centre: {error:.3f}", ha="center",
                  va="center", fontsize=9.5)  # fmt: skip
        axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        axes.axis("off")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=0.9, wspace=0.02)
    return figure


def draw(folder: Path) -> None:
    """Write the pictures."""
    with one_thread(), tempfile.TemporaryDirectory() as own:
        slot = torch.arange(POINTS)
        panels = [(title, t.rows(slot), colour) for title, t, colour in _panels(Path(own))]

    def plot(theme: Theme) -> Figure:
        figure = plt.figure(figsize=(8.4, 8.6))
        lines = -(-len(panels) // COLUMNS)
        for number, (title, rows, colour) in enumerate(panels):
            axes = _ball(figure, (lines, COLUMNS, number + 1), title, theme)
            colours = [theme.colours[int(c)] for c in colour]
            # Few places with many points each: larger dots.
            size = 7 if len(rows.unique(dim=0)) > 20 else 40
            axes.scatter(*rows.T.numpy(), s=size, c=colours, depthshade=True, linewidths=0)
        figure.subplots_adjust(left=0, right=1, bottom=0, top=0.95, wspace=0, hspace=0.1)
        return figure

    save(folder, "targets", plot)
    with one_thread():
        save(folder, "targets-circle", _circles)
