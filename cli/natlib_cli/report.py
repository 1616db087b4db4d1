"""``natlib report``."""

from pathlib import Path
from typing import Annotated

import typer

from natlib_cli.output import console

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="Run directory.", metavar="RUN")],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Another run, whose layers are compared with those of this one."
        ),
    ] = None,
    points: Annotated[
        int, typer.Option(min=1, help="Samples to look at, at most: a random part of them.")
    ] = 5_000,
) -> None:
    """Write a page about a run, to be opened in a browser: report.html in the run directory.

    One file that needs no other and no network: curves, accuracies, nearest neighbours, a map of
    the samples, views, what fits its targets, and more.
    """
    from natlib.report import write_report
    from natlib.training import ConsoleProgress

    page = write_report(run, against=against, points=points, progress=ConsoleProgress())
    console.say(f"The report is in {page}")
