"""Picture of "Sound": thumbnails of the synthesised notes, one for each timbre."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from pictures.style import Theme, save
from PIL import Image

from natlib_audio import Audio
from natlib_audio.sources.notes import NotesSplit

__all__ = ["draw"]


def draw(folder: Path) -> None:
    """Write the picture."""
    notes = NotesSplit("train")
    # Mean and deviation have no part in a thumbnail.
    modality = Audio(rate=8_000, seconds=1.0, mean=0.0, std=1.0)
    pictures = {}
    for name, sample in zip(
        notes.classes, modality.samples([notes.item(i) for i in range(8)]), strict=True
    ):
        thumbnail = modality.thumbnail(sample)
        assert thumbnail is not None
        pictures[name] = Image.open(io.BytesIO(thumbnail.data))

    def plot(theme: Theme) -> Figure:
        figure, axes = plt.subplots(2, 4, figsize=(8.0, 2.9), layout="constrained")
        for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=True):
            axis.imshow(picture, interpolation="nearest", aspect="auto")
            axis.set_title(name, fontsize=9, color=theme.ink)
            axis.set_axis_off()
        return figure

    save(folder, "clips", plot)
