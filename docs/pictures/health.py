"""The picture of "Is my run working?": what is logged in a run that works and in two that do not.

The data are those of ``examples/foreign_loop.py``, made easier: ten states, seen through a lot of
disturbance; two views are two readings of one moment.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pictures.style import Theme, one_thread, save
from torch import Tensor, nn

from natlib import NAT, MlpEncoder, MlpHead, NATLoss, UniformSphere

__all__ = ["draw"]

MOMENTS, STATES, SENSORS, BATCH, STEPS = 1_000, 10, 64, 100, 150
CURVES = ("embedding_std", "loss_alignment", "matched_cosine")
RECIPE = NAT(targets=UniformSphere(dim=16), head=MlpHead(widths=(128,)))

Log = dict[str, list[float]]


def train(recipe: NAT, *, same_moment: bool = True) -> Log:
    """What a run logs; its two views show one moment, or two that have nothing in common."""
    torch.manual_seed(0)
    signal = torch.randn(STATES, SENSORS)[torch.randint(STATES, (MOMENTS,))]
    disturbance = torch.randn(12, SENSORS)

    def reading(moment: Tensor) -> Tensor:
        disturbed = signal[moment] + 1.5 * torch.randn(len(moment), 12) @ disturbance
        return disturbed + torch.randn_like(disturbed)

    encoder = MlpEncoder(widths=(128, 128)).build((SENSORS,))
    objective = recipe.build(encoder.dim)
    learner = nn.ModuleList([encoder, objective])
    optimizer = torch.optim.AdamW(learner.parameters(), lr=4e-3)
    log: Log = {name: [] for name in (*CURVES, "random_cosine")}
    for _ in range(STEPS):
        index = torch.randperm(MOMENTS)[: 2 * BATCH]
        first = index[:BATCH]
        second = first if same_moment else index[BATCH:]
        output = objective([encoder(reading(first)), encoder(reading(second))], health=True)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        log["loss_alignment"].append(float(output.parts["alignment"]))
        for name in ("embedding_std", "matched_cosine", "random_cosine"):
            log[name].append(float(output.health[name]))
    return log


def _panel(axes: Axes, title: str, log: Log, theme: Theme) -> None:
    for name, colour in zip(CURVES, theme.colours, strict=True):
        axes.plot(log[name], color=colour, linewidth=1.6, label=name)
    axes.plot(log["random_cosine"], color=theme.ink, linewidth=1, linestyle=":",
              label="random_cosine")  # fmt: skip
    axes.set_title(title, fontsize=10.5)
    axes.set_xlabel("step", color=theme.ink, fontsize=9)
    axes.set_ylim(0, 1.3)
    axes.tick_params(colors=theme.ink, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.faint)


def draw(folder: Path) -> None:
    """Train three times, and write the picture."""
    with one_thread():
        logs = {
            "It works": train(RECIPE),
            "Collapsed: alignment far too strong": train(
                RECIPE.model_copy(update={"loss": NATLoss(alignment=1000.0)})
            ),
            "Views with nothing in common": train(RECIPE, same_moment=False),
        }

    def plot(theme: Theme) -> Figure:
        figure, panels = plt.subplots(1, len(logs), figsize=(9.6, 3.1), sharey=True)
        for axes, (title, log) in zip(panels, logs.items(), strict=True):
            _panel(axes, title, log, theme)
        lines, names = panels[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="lower center", ncols=4, frameon=False, fontsize=9)
        figure.subplots_adjust(left=0.035, right=0.995, bottom=0.24, top=0.9, wspace=0.08)
        return figure

    save(folder, "health", plot)
