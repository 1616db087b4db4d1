"""Picture and table of "Solvers", from numbers that were measured and recorded.

They are recorded by hand, since no build may take so long or be so quiet:

    python -m benchmarks.solvers --sizes 256 1024 4096 --repeats 2 --json docs/measured/solvers.json
"""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from pictures.style import Theme, save

from benchmarks.solvers.measurement import Measurement, read_measurements
from benchmarks.solvers.picture import DARK, LIGHT, figure

__all__ = ["draw", "table"]

RECORDED = Path(__file__).parents[1] / "measured" / "solvers.json"


def draw(folder: Path) -> None:
    """Write the picture."""
    measured = read_measurements(RECORDED)

    def plot(theme: Theme) -> Figure:
        colours = LIGHT if theme.name == "light" else DARK
        return figure(measured, replace(colours, ink=theme.ink, faint=theme.faint, page=None))

    save(folder, "solvers", plot)


def table() -> str:
    """The largest size as Markdown: milliseconds and gap for each kind of features."""
    measured = read_measurements(RECORDED)
    size = max(row.size for row in measured)
    rows = [row for row in measured if row.size == size]
    kinds = list(dict.fromkeys(row.features for row in rows))
    lines = [
        f"| b = {size} | " + " | ".join(kinds) + " |",
        "|---|" + "---|" * len(kinds),
    ]
    for label in dict.fromkeys(row.label for row in rows):
        cells = {row.features: _cell(row) for row in rows if row.label == label}
        solver, _, setting = label.partition(" ")
        name = f"`{solver}`" + (f" {setting.replace('=', ' ')}" if setting else "")
        lines.append(f"| {name} | " + " | ".join(cells.get(kind, "") for kind in kinds) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Measurement) -> str:
    if row.seconds is None:
        return "not measured"
    took = f"{1e3 * row.seconds:,.0f} ms" if row.seconds >= 0.01 else f"{1e3 * row.seconds:.1f} ms"
    if row.exact:
        return took
    if row.gap is None:
        return f"{took}, gap unknown"
    return f"{took}, {100 * row.gap:.2g} %" if row.gap >= 1e-5 else f"{took}, 0 %"
