"""``natlib bench``: measure parts of natlib on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.table import Table

from natlib import benchmark
from natlib.benchmark import Measurement
from natlib.errors import ConfigError, DeviceError
from natlib.runtime.progress import ConsoleProgress
from natlib_cli.output import console

__all__ = ["bench_app"]

bench_app = typer.Typer(no_args_is_help=True, help="Measure parts of natlib on this machine.")

_PROBLEMS = "What is matched"
_OUTPUT = "What is written"


@bench_app.callback()
def _group() -> None:
    """Measure parts of natlib on this machine."""


@bench_app.command("solvers")
def solvers(
    chosen: Annotated[
        str | None,
        typer.Option(
            "--solvers", metavar="A,B,...", help="Kinds of solvers; by default all of them."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Calls; the median counts.")] = 5,
    limit: Annotated[
        float,
        typer.Option(
            help="Seconds that a call may take; sizes that would take longer are left out."
        ),
    ] = 10.0,
    device: Annotated[
        Literal["cpu", "cuda"], typer.Option(help="Where costs lie, and points.")
    ] = "cpu",
    sizes: Annotated[
        str,
        typer.Option(metavar="B,B,...", help="Samples in a batch.", rich_help_panel=_PROBLEMS),
    ] = "64,256,1024,4096",
    dim: Annotated[
        int, typer.Option(min=1, help="Dimension of the targets.", rich_help_panel=_PROBLEMS)
    ] = 128,
    problems: Annotated[
        int,
        typer.Option(min=1, help="Problems solved together.", rich_help_panel=_PROBLEMS),
    ] = 1,
    features: Annotated[
        str,
        typer.Option(metavar="A,B,...", help="Kinds of features.", rich_help_panel=_PROBLEMS),
    ] = ",".join(benchmark.FEATURES),
    seed: Annotated[
        int, typer.Option(min=0, help="Of features and targets.", rich_help_panel=_PROBLEMS)
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A picture: .svg, .png or .pdf.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="The numbers.", rich_help_panel=_OUTPUT),
    ] = None,
) -> None:
    """Measure how fast solvers are and how near to the optimum they come.

    Features are matched with as many targets on the sphere. The gap is what is missing to the
    optimum, as a share of what the optimum gains over a random matching.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("this machine has no CUDA device; use --device cpu")
    if out is not None:
        benchmark.check_drawable(out)
    for file in (out, json_file):
        if file is not None and not file.absolute().parent.is_dir():
            raise ConfigError(f"{file.parent} is no folder; make it first")
    measurements = benchmark.solvers(
        _words(chosen) if chosen is not None else None,
        features=_words(features),
        sizes=_numbers(sizes, "--sizes"),
        dim=dim,
        problems=problems,
        seed=seed,
        repeats=repeats,
        limit=limit,
        device=device,
        progress=ConsoleProgress(),
    )
    if json_file is not None:
        benchmark.write_measurements(json_file, measurements)
    if out is not None:
        benchmark.draw(measurements, out)
    _print(measurements)
    for file, what in ((out, "picture"), (json_file, "numbers")):
        if file is not None:
            console.print(f"The {what}: {file}", soft_wrap=True)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError as error:
        raise ConfigError(
            f"{option} takes whole numbers with commas between them, got '{text}'"
        ) from error


def _print(measurements: Sequence[Measurement]) -> None:
    first = measurements[0]
    machine = f"{first.device}, {first.threads} thread{'s' if first.threads > 1 else ''}"
    table = Table(title=f"Matching with targets, d = {first.dim}, {machine}", title_justify="left")
    for name in ("features", "b", "solver", "setting"):
        table.add_column(name, justify="right" if name == "b" else "left")
    for name in ("ms", "gap, %", "cosine"):
        table.add_column(name, justify="right")
    block = None
    for row in measurements:
        if block not in (None, (row.features, row.size)):
            table.add_section()
        begins = block != (row.features, row.size)
        block = (row.features, row.size)
        where = (row.features, str(row.size)) if begins else ("", "")
        ms = "-" if row.seconds is None else f"{1e3 * row.seconds:.3g}"
        cosine = "-" if row.similarity is None else f"{row.similarity:.4f}"
        setting = f"{row.setting} ({row.by})".lstrip() if row.by else row.setting
        table.add_row(*where, row.solver, setting, ms, _gap(row), cosine)
    console.print(table)
    _print_groups("Left out, since a call would take too long", measurements, lambda m: m.skipped)
    _print_groups("Not converged", measurements, lambda m: not m.converged)


def _print_groups(
    title: str, measurements: Sequence[Measurement], concerned: Callable[[Measurement], object]
) -> None:
    """A line for each solver: on which features, from which size on."""
    groups: dict[str, dict[str, int]] = {}
    for row in measurements:
        if concerned(row):
            groups.setdefault(row.label, {}).setdefault(row.features, row.size)
    for label, sizes in groups.items():
        where = ", ".join(f"{features} from b = {size}" for features, size in sizes.items())
        console.print(f"{title}: {label}: {where}", soft_wrap=True)


def _gap(row: Measurement) -> str:
    if row.gap is None:
        return "-"
    if row.gap < 1e-5:
        return "exact" if row.exact else "0"
    return f"{100 * row.gap:.2g}"
