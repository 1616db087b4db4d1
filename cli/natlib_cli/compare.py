"""``natlib compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from natlib_cli.output import console

if TYPE_CHECKING:
    from natlib.report import Comparison

__all__ = ["compare"]


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.", metavar="RUN...")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the page with the curves.")
    ] = Path("compare.html"),
) -> None:
    """Put runs beside each other: settings that differ, metrics at the end, evaluations.

    Prints one table, and writes a page with the curves of all runs in one chart for each metric.
    """
    from natlib.report import compare as compare_runs
    from natlib.report import write_comparison

    comparison = compare_runs(runs)
    write_comparison(comparison, out)
    console.print(_table(comparison))
    console.say(f"The curves are in {out}")


def _table(comparison: "Comparison") -> Table:
    table = Table()
    table.add_column("", overflow="fold")
    for run in comparison.runs:
        table.add_column(run, justify="right", overflow="fold")
    for title, lines in comparison.groups.items():
        table.add_row(title, style="bold")
        for name, cells in lines.items():
            table.add_row(f"  {name}", *cells)
        table.add_section()
    return table
