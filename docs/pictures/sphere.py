"""The picture of "NAT in five minutes": samples and the targets of their slots, on a circle.

It trains a real, tiny NAT with natlib's own objective: 72 made-up samples in three clusters, a
two-layer encoder, targets on the circle (the unit sphere in two dimensions).
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from pictures.style import Theme, one_thread, save
from torch import Tensor, nn

from natlib import NAT, Bank, LinearHead, MlpEncoder, NATLoss, UniformSphere
from natlib.assignment import BankModule

__all__ = ["draw"]

SAMPLES, CLUSTERS, INPUTS, STEPS = 72, 3, 12, 400
# Targets are drawn on a circle around that of the embeddings, so that both can be seen.
TARGET_RADIUS = 1.3


@dataclass
class Moment:
    """Where everything is at one moment of training.

    Attributes:
        title: what has just happened.
        embeddings: Tensor[n, 2], points on the circle.
        targets: Tensor[n, 2], the target of each sample's slot.
    """

    title: str
    embeddings: Tensor
    targets: Tensor


def made_up_clusters() -> tuple[Tensor, Tensor]:
    """Samples Tensor[n, 12], and the cluster of each, which training never sees."""
    cluster = torch.arange(SAMPLES) % CLUSTERS
    centres = 2.0 * torch.randn(CLUSTERS, INPUTS)
    return centres[cluster] + 0.7 * torch.randn(SAMPLES, INPUTS), cluster


def train(samples: Tensor) -> list[Moment]:
    """Train, and keep three moments: the start, the first matching, the end."""
    index = torch.arange(SAMPLES)
    encoder = MlpEncoder(widths=(64, 64)).build((INPUTS,))
    recipe = NAT(
        targets=UniformSphere(dim=2), head=LinearHead(), assignment=Bank(slots=1),
        loss=NATLoss(alignment=0.0),
    )  # fmt: skip
    objective = recipe.build(encoder.dim, samples=SAMPLES)
    assert isinstance(objective.assignment, BankModule)
    table = objective.assignment.table

    @torch.no_grad()
    def now(title: str) -> Moment:
        targets = recipe.targets.rows(table.slots(index)[0])
        return Moment(title, objective.embed(encoder(samples)), targets)

    learner = nn.ModuleList([encoder, objective])
    optimizer = torch.optim.Adam(learner.parameters(), lr=3e-3)
    moments = [now("1. Every sample owns a random target")]
    for step in range(STEPS):
        views = [samples + 0.3 * torch.randn_like(samples) for _ in range(recipe.views)]
        output = objective([encoder(view) for view in views], index)
        if step == 0:
            moments.append(now("2. After the first matching"))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    return [*moments, now("3. After training")]


def _panel(axes: Axes, moment: Moment, cluster: Tensor, theme: Theme) -> None:
    colours = [theme.colours[c] for c in cluster]
    targets = TARGET_RADIUS * moment.targets
    lines = torch.stack([moment.embeddings, targets], dim=1).numpy()
    axes.add_patch(plt.Circle((0, 0), 1.0, fill=False, color=theme.faint, linewidth=0.8))
    axes.add_collection(LineCollection(list(lines), colors=colours, linewidths=0.8, alpha=0.6))
    axes.scatter(*targets.T, s=16, facecolors="none", edgecolors=theme.ink, linewidths=0.9)
    axes.scatter(*moment.embeddings.T, s=22, c=colours, linewidths=0, zorder=3)
    axes.set_title(moment.title, fontsize=11)
    cosine = torch.cosine_similarity(moment.embeddings, moment.targets).mean()
    text = f"mean cosine to the own target: {cosine:.2f}"
    axes.text(0, -1.62, text, ha="center", fontsize=9.5)
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.75, 1.45), aspect="equal")
    axes.axis("off")


def draw(folder: Path) -> None:
    """Train, and write the picture."""
    with one_thread():
        torch.manual_seed(3)
        samples, cluster = made_up_clusters()
        moments = train(samples)

    def plot(theme: Theme) -> Figure:
        figure, panels = plt.subplots(1, len(moments), figsize=(9.6, 3.55))
        for axes, moment in zip(panels, moments, strict=True):
            _panel(axes, moment, cluster, theme)
        figure.subplots_adjust(left=0, right=1, bottom=0, top=0.92, wspace=0.02)
        return figure

    save(folder, "sphere", plot)
