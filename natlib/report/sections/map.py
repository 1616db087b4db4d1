"""Section: a map of all samples, with thumbnails."""

import base64
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from natlib.report.page import Section, note
from natlib.report.projection import clusters, has_umap, principal_components, umap
from natlib.report.sprites import sprites
from natlib.report.subject import Subject, Tell

__all__ = ["sample_map"]

_TITLE = "Map"
# The number of clusters without labels.
_CLUSTERS = 10
_FEWEST = 5
# Longer names, such as paths, are shortened.
_LONGEST = 200
_STEPS = 2**16 - 1


def sample_map(subject: Subject, fit: Tensor | None, tell: Tell) -> Section:
    """Two-dimensional layouts of the samples by their features.

    Args:
        subject: the run's model and samples.
        fit: float[u], the cosine of each sample with its targets; None if there are none.
        tell: receives the progress.
    """
    count = len(subject.index)
    if count < _FEWEST:
        return note("map", _TITLE, f"{count} samples are too few for a map.")
    layouts, missing = _layouts(subject, tell)
    values = {"data": _data(subject, layouts, fit, tell), "missing": missing, "count": count}
    return Section("map", _TITLE, "map.html.j2", values)


def _layouts(subject: Subject, tell: Tell) -> tuple[dict[str, Tensor], bool]:
    """Coordinates by name, and whether UMAP is missing."""
    trained, start = subject.features["encoder"], subject.features["start"]
    found: dict[str, Tensor] = {}
    installed = has_umap()
    if installed:
        found["UMAP"] = umap(trained, subject.seed, partial(tell, "laying out a map"))
    found["PCA"] = principal_components(trained)
    if installed:
        stage = "laying out a map of the encoder as it began"
        found["UMAP, as it began"] = umap(start, subject.seed, partial(tell, stage))
    found["PCA, as it began"] = principal_components(start)
    return found, not installed


def _data(
    subject: Subject, layouts: dict[str, Tensor], fit: Tensor | None, tell: Tell
) -> dict[str, Any]:
    """The data for the script of the page."""
    colours: dict[str, Any] = {}
    classes = subject.samples.classes
    if subject.labels is not None:
        colours["class"] = {"names": list(classes), "of": subject.labels.tolist()}
    number = len(classes) if subject.labels is not None else _CLUSTERS
    found = clusters(subject.features["encoder"], max(number, 2), subject.seed)
    names = [f"cluster {n + 1}" for n in range(int(found.max()) + 1)]
    colours["cluster (k-means)"] = {"names": names, "of": found.tolist()}
    if fit is not None:
        rank = fit.argsort().argsort().double() / max(1, len(fit) - 1)
        colours["cosine with targets (rank)"] = {"share": [round(r, 3) for r in rank.tolist()]}
    thumbnails = []
    for done, index in enumerate(subject.index.tolist(), start=1):
        thumbnails.append(subject.gallery.thumbnail(index))
        tell("drawing thumbnails", done, len(subject.index))
    return {
        "layouts": {name: _coordinates(layout) for name, layout in layouts.items()},
        "colours": colours,
        "names": [_short(subject.name_of(row)) for row in range(len(subject.index))],
        "labels": list(classes) if subject.labels is not None else [],
        "label": subject.labels.tolist() if subject.labels is not None else None,
        "pictures": sprites(thumbnails),
    }


def _coordinates(layout: Tensor) -> str:
    """uint16[u, 2] in base64, with the same scale from 0 to 65535 for both axes."""
    low, high = layout.amin(0), layout.amax(0)
    span = float((high - low).max()) or 1.0
    middle = (low + high) / 2
    steps = ((layout - middle) / span + 0.5).clamp(0, 1) * _STEPS
    return base64.b64encode(steps.numpy().round().astype(np.dtype("<u2")).tobytes()).decode()


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"
