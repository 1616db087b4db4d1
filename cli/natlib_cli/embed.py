"""``natlib embed``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from natlib_cli.options import Device
from natlib_cli.output import console

__all__ = ["embed"]


def embed(
    run: Annotated[Path, typer.Argument(help="Run directory.", metavar="RUN")],
    source: Annotated[str, typer.Argument(help="What to embed.", metavar="SOURCE")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write: .npz or .parquet.")],
    output: Annotated[
        Literal["encoder", "head"],
        typer.Option(help="The encoder's features (better), or what the head makes of them."),
    ] = "encoder",
    device: Device = None,
) -> None:
    """Write embeddings of a source, with sample names and, if there are any, labels."""
    from natlib.model import export_embeddings, load
    from natlib.training import (
        ConsoleProgress,
        RunDirectory,
        computing_device,
        decoding_workers,
        stages,
    )

    directory = RunDirectory(run)
    # A model folder will do, and it says nothing about devices.
    trained_on = (
        directory.read_config().training.device if directory.config_file.exists() else "auto"
    )
    model = load(run, computing_device(device, trained_on))
    model.modality = model.modality.with_source(source)
    with ConsoleProgress() as progress:
        stage = stages(progress)
        embedded, unreadable = export_embeddings(
            model,
            out,
            output=output,
            workers=decoding_workers(),
            progress=lambda done, total: stage("embedding", done, total),
            tell=lambda note: progress.say(f"Note: {note}"),
        )
    console.say(f"Embeddings written to {out}: {embedded}")
    if unreadable:
        console.say(f"Left out, since they cannot be decoded: {unreadable}")
