"""``natlib report``."""

from pathlib import Path
from typing import Annotated

import typer

from natlib.report import write_report
from natlib_cli.output import console

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="Run directory.", metavar="RUN")],
) -> None:
    """Write a page about a run, to be opened in a browser: report.html in the run directory.

    One file that needs no other and no network.
    """
    page = write_report(run)
    console.print(f"The report is in {page}", soft_wrap=True)
