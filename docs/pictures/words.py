"""The picture of the README: a map of spoken words by speakers that training has not heard.

    python docs/pictures/words.py speech_commands3/

trains a small encoder on the clips under ``train`` without labels, lays out the clips under
``test`` by UMAP, and writes docs/pictures/words.svg: two minutes on one core. Both folders hold
a folder for each of three words of Speech Commands (Warden, 2018, arXiv 1804.03209, CC BY 4.0).
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

import natlib
from natlib.data import load_batches
from natlib.report.projection import umap

HERE = Path(__file__).parent
COLOURS = ("#2f8fd8", "#e0703a", "#3fae6d")
INK = "#808080"  # seen on a light page and on a dark one
SETTINGS = [
    "training.device=cpu",
    "training.workers=0",
    "training.epochs=24",
    "training.batch_size=64",
    "data.mel.hop=0.016",
    "encoder={kind: audio_convnet, widths: [16, 32, 64]}",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "words.svg")
    arguments = parser.parse_args()
    settings = [*SETTINGS, f"data.source={arguments.source}"]
    with tempfile.TemporaryDirectory() as folder:
        config = natlib.compose("audio", preset="nat", settings=settings)
        result = natlib.train(config, Path(folder) / "run")
        model = natlib.load(result.run)
    assert result.evaluation is not None
    clips = model.modality.dataset("test")
    every = [list(range(len(clips)))]
    (batch,) = load_batches(model.modality, clips, every, device=torch.device("cpu"))
    raw = model.modality.raw(batch).flatten(1)
    maps = {
        "NAT": ("encoder", torch.from_numpy(model.embed_set(clips).vectors)),
        "log-mel statistics": ("raw inputs", raw),
    }
    for row in result.evaluation.cells():
        print(*row)
    plt.rcParams.update({"svg.hashsalt": "natlib", "text.color": INK})
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.3))
    for axis, (name, (row, features)) in zip(axes, maps.items(), strict=True):
        scatter(axis, features, clips.labels, clips.classes)
        knn = result.evaluation.value(row, "knn")
        axis.set_title(f"{name}: nearest neighbours are right for {knn:.1f} %", fontsize=9)
    axes[0].legend(frameon=False, fontsize=9, markerscale=2)
    figure.tight_layout()
    figure.savefig(arguments.out, transparent=True, metadata={"Date": None})


def scatter(axis: plt.Axes, features: Tensor, labels: Tensor, classes: list[str]) -> None:
    """A dot for each clip, in the colour of its word."""
    points = umap(features, seed=0)
    for number, word in enumerate(classes):
        axis.scatter(*points[labels == number].T, s=7, color=COLOURS[number], label=f'"{word}"')
    axis.set_axis_off()


if __name__ == "__main__":
    main()
