"""Section: cosines of samples with their targets, and the highest and lowest."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from natlib.report.charts import Curve, line_chart, steps
from natlib.report.fit import Fit
from natlib.report.page import Section, note
from natlib.report.subject import Subject

__all__ = ["histogram", "targets"]

_TITLE = "Samples and their targets"
_BINS, _EXTREMES = 40, 12


def targets(subject: Subject, fit: Fit | None) -> Section:
    """Histograms of the cosines of samples and of random points, and the samples at both ends.

    Args:
        subject: the run's model and samples.
        fit: the cosines; None if the objective has no targets.
    """
    if fit is None:
        return note("targets", _TITLE, "The objective has no targets.")
    order = fit.cosine.argsort(descending=True).tolist()
    few = min(_EXTREMES, len(order) // 2)
    name = "samples, with their own targets" if fit.owned else "samples, with fresh targets"
    edges, (mine, random) = histogram([fit.cosine, fit.random], _BINS)
    values = {
        "chart": line_chart(
            [Curve(name, *steps(edges, mine)),
             Curve("random points, matched", *steps(edges, random), dashed=True)],
            x_name="cosine",
            y_name="% of the samples or points",
            from_zero=True,
        ),
        "fit": fit,
        "mean": float(fit.cosine.mean()),
        "random_mean": float(fit.random.mean()),
        "ends": {
            "Highest cosine": [_cell(subject, fit, row) for row in order[:few]],
            "Lowest cosine": [_cell(subject, fit, row) for row in order[::-1][:few]],
        },
        "shape": subject.gallery.shape(),
    }  # fmt: skip
    return Section("targets", _TITLE, "targets.html.j2", values, half=True)


def histogram(samples: Sequence[Tensor], bins: int) -> tuple[list[float], list[list[float]]]:
    """Histograms in percent of groups of values, over the same bins.

    Args:
        samples: groups of values.
        bins: the number of bins.

    Returns:
        ``bins + 1`` edges, and for each group ``bins`` shares that add up to 100.
    """
    together = torch.cat([values.double() for values in samples])
    low, high = float(together.min()), float(together.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    shares = []
    for values in samples:
        place = torch.bucketize(values.double(), edges[1:-1], right=True)
        counts = torch.bincount(place, minlength=bins).double()
        shares.append((100 * counts / len(values)).tolist())
    return edges.tolist(), shares


def _cell(subject: Subject, fit: Fit, row: int) -> dict[str, Any]:
    return {
        "picture": subject.gallery.html(int(subject.index[row])),
        "name": subject.name_of(row),
        "label": subject.label_of(row),
        "cosine": float(fit.cosine[row]),
    }
