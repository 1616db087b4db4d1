"""Heat maps."""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

__all__ = ["heat_map"]

_CELL, _HIGH, _LETTER = 46, 26, 6.4
_SMALLEST = 0.7


def heat_map(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    what: str,
) -> Markup:
    """A heat map of values between 0 and 1, with the numbers in the cells.

    Args:
        values: one sequence for each row.
        rows: the names of the rows.
        columns: the names of the columns.
        what: a description for screen readers.
    """
    left = 12 + _LETTER * max((len(name) for name in rows), default=0)
    top = 12 + _LETTER * 0.75 * max((len(name) for name in columns), default=0)
    # Column names are slanted upwards to the right, beyond the last column.
    width = left + _CELL * len(columns) + top * 0.9
    height = top + _HIGH * len(rows) + 4
    # Many columns are scrolled rather than shrunk until nobody can read them.
    least = _SMALLEST * width
    parts = []
    for number, name in enumerate(columns):
        x, y = left + _CELL * (number + 0.5), top - 6
        parts.append(f'<text class="tick" transform="translate({x:.1f} {y:.1f}) rotate(-40)">'
                     f"{escape(name)}</text>")  # fmt: skip
    for number, (name, row) in enumerate(zip(rows, values, strict=True)):
        y = top + _HIGH * number
        parts.append(f'<text class="tick" x="{left - 6:.1f}" y="{y + _HIGH / 2 + 3.5:.1f}" '
                     f'text-anchor="end">{escape(name)}</text>')  # fmt: skip
        for column, value in enumerate(row):
            parts.append(_square(left + _CELL * column, y, value))
    return Markup(
        f'<svg class="chart heat" style="width:{width:.0f}px;max-width:max(100%,{least:.0f}px)" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(what)}">'
        f"{''.join(parts)}</svg>"
    )


def _square(x: float, y: float, value: float) -> str:
    known = math.isfinite(value)
    share = min(max(value, 0.0), 1.0) if known else 0.0
    dark = " strong" if share > 0.65 else ""
    text = f"{value:.2f}" if known else "?"
    return (
        f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{_CELL - 2}" height="{_HIGH - 2}" rx="3" '
        f'class="square" fill-opacity="{0.06 + 0.94 * share:.3f}"/>'
        f'<text class="number{dark}" x="{x + _CELL / 2:.1f}" y="{y + _HIGH / 2 + 3.5:.1f}" '
        f'text-anchor="middle">{text}</text>'
    )
