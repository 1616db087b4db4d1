"""Line charts, and outlines of histograms."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from natlib.report.charts.axes import Axis, labels

__all__ = ["Curve", "Reference", "line_chart", "steps"]

# About as wide as a chart is on the page, so that its text is not scaled.
_WIDTH, _HEIGHT = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 10, 22, 24
# Points of a curve, at most.
_POINTS = 300


@dataclass(frozen=True)
class Curve:
    """A curve of a chart.

    Attributes:
        name: its name in the legend.
        x: horizontal coordinates.
        y: vertical coordinates; the line has a gap where one is not finite.
        dashed: whether it is a baseline.
        number: the number of its colour; by default that of its position.
        last: its last value in words, beside the name; may be empty.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False
    number: int | None = None
    last: str = ""


@dataclass(frozen=True)
class Reference:
    """A horizontal reference line.

    Attributes:
        value: its vertical coordinate.
        text: its meaning in a few words.
    """

    value: float
    text: str


def line_chart(
    curves: Sequence[Curve],
    references: Sequence[Reference] = (),
    *,
    log_x: bool = False,
    log_y: bool = False,
    x_name: str,
    y_name: str,
    from_zero: bool = False,
) -> Markup:
    """A chart of curves with reference lines.

    Args:
        curves: long ones are drawn as means over neighbouring points.
        references: horizontal lines.
        log_x: whether the horizontal axis is logarithmic; values have to be positive.
        log_y: whether the vertical axis is logarithmic; values that are not positive are left out.
        x_name: the name of the horizontal axis.
        y_name: the name of the vertical axis, with its unit.
        from_zero: whether the vertical axis starts at zero.
    """
    thinned = [_thinned(curve, log_y) for curve in curves]
    xs = [x for curve in thinned for x in curve.x]
    ys = [y for curve in thinned for y in curve.y if math.isfinite(y)]
    ys += [r.value for r in references] + [0.0] * from_zero
    across = Axis.around(xs, _LEFT + 4, _WIDTH - _RIGHT - 4, log=log_x)
    if xs and max(xs) > min(xs):
        across = Axis(min(xs), max(xs), _LEFT + 4, _WIDTH - _RIGHT - 4, log_x)
    x_ticks = xs[:1] if xs and max(xs) == min(xs) else across.ticks(6)
    up = Axis.around(ys, _HEIGHT - _BOTTOM, _TOP, log=log_y)
    if from_zero:
        up = Axis(0.0, up.high, up.first, up.last)
    parts = [_grid(across, x_ticks, up, x_name, y_name)]
    texts = []
    for reference in references:
        y = up.place(reference.value)
        parts.append(f'<line class="reference" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
                     f'y1="{y:.1f}" y2="{y:.1f}"/>')  # fmt: skip
        texts.append(f'<text class="reference" x="{_WIDTH - _RIGHT - 2}" y="{y - 4:.1f}" '
                     f'text-anchor="end">{escape(reference.text)}</text>')  # fmt: skip
    for position, curve in enumerate(thinned):
        number = position if curve.number is None else curve.number
        parts.append(_path(curve, across, up, number))
    parts += texts  # over the curves
    names = ", ".join(curve.name for curve in curves)
    picture = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(names)}">{"".join(parts)}</svg>'
    )
    return Markup(picture) + _legend(curves)


def steps(edges: Sequence[float], counts: Sequence[float]) -> tuple[list[float], list[float]]:
    """The outline of a histogram, as points of a line.

    Args:
        edges: the k + 1 edges of k bins.
        counts: the k heights.
    """
    x = [edge for edge in edges for _ in range(2)]
    y = [0.0, *(count for count in counts for _ in range(2)), 0.0]
    return x, y


def _thinned(curve: Curve, positive: bool) -> Curve:
    """The curve with fewer points, each a mean over neighbouring ones."""
    y = [v if math.isfinite(v) and (v > 0 or not positive) else math.nan for v in curve.y]
    if len(y) > _POINTS:
        size = len(y) / _POINTS
        cuts = [round(n * size) for n in range(_POINTS + 1)]
        parts = list(itertools.pairwise(cuts))
        x = [sum(curve.x[a:b]) / (b - a) for a, b in parts]
        return replace(curve, x=x, y=[_mean(y[a:b]) for a, b in parts])
    return replace(curve, x=list(curve.x), y=y)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _path(curve: Curve, across: Axis, up: Axis, number: int) -> str:
    pieces, pen = [], "M"
    for x, y in zip(curve.x, curve.y, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        pieces.append(f"{pen}{across.place(x):.1f},{up.place(y):.1f}")
        pen = "L"
    dashed = " dashed" if curve.dashed else ""
    if len(pieces) == 1:  # a single point is a dot
        pieces.append("h0.01")
        dashed += " point"
    return (
        f'<path class="curve c{number % 8}{dashed}" d="{" ".join(pieces)}">'
        f"<title>{escape(curve.name)}</title></path>"
    )


def _grid(across: Axis, x_ticks: list[float], up: Axis, x_name: str, y_name: str) -> str:
    parts = [f'<text class="axis" x="2" y="11">{escape(y_name)}</text>']
    values = up.ticks()
    for value, text in zip(values, labels(values), strict=True):
        y = up.place(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
                     f'y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text class="tick" x="{_LEFT - 5}" y="{y + 3.5:.1f}" '
                     f'text-anchor="end">{text}</text>')  # fmt: skip
    for value, text in zip(x_ticks, labels(x_ticks), strict=True):
        x = across.place(value)
        # No label where the name of the axis is.
        if x < _WIDTH - _RIGHT - 18 - 6 * len(x_name):
            parts.append(f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 15}" '
                         f'text-anchor="middle">{text}</text>')  # fmt: skip
    parts.append(f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - _BOTTOM + 15}" '
                 f'text-anchor="end">{escape(x_name)}</text>')  # fmt: skip
    return "".join(parts)


def _legend(curves: Sequence[Curve]) -> Markup:
    """The names of the curves, with their last values."""
    items = []
    for position, curve in enumerate(curves):
        number = position if curve.number is None else curve.number
        dashed = " dashed" if curve.dashed else ""
        last = f" <b>{escape(curve.last)}</b>" if curve.last else ""
        items.append(f'<li class="c{number % 8}{dashed}">{escape(curve.name)}{last}</li>')
    return Markup(f'<ul class="legend">{"".join(items)}</ul>')
