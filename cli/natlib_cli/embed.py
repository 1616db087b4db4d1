"""``natlib embed``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from natlib.errors import ConfigError
from natlib_cli.options import Checkpoint, Device, OfCheckpoint, check_subject
from natlib_cli.output import console

__all__ = ["embed"]


def embed(
    what: Annotated[
        list[str],
        typer.Argument(
            help="Run directory (unless --encoder is given), then what to embed: folders, single "
            "files, or whatever else natlib train reads.",
            metavar="[RUN] SOURCE...",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write: .npz or .parquet.")],
    output: Annotated[
        Literal["encoder", "head"],
        typer.Option(
            help="The encoder's features, or the head's embeddings in the space of the targets."
        ),
    ] = "encoder",
    encoder: Checkpoint = None,
    modality: OfCheckpoint = None,
    device: Device = None,
) -> None:
    """Write embeddings of sources, with the names of samples and, if there are any, labels.

    With --encoder FOLDER --modality KIND, a checkpoint embeds as it came.
    """
    from natlib.model import Embedder, EmbeddingModel, export_embeddings, load
    from natlib.training import (
        ConsoleProgress,
        RunDirectory,
        computing_device,
        decoding_workers,
        stages,
    )

    run, sources = (None, what) if encoder is not None else (Path(what[0]), what[1:])
    check_subject(run, encoder, modality)
    if not sources:
        raise ConfigError(
            f"got the run {run} and nothing to embed; add folders or files (natlib embed RUN "
            "SOURCE... --out FILE)"
        )
    model: EmbeddingModel
    if run is None:
        model = Embedder(str(encoder), str(modality), computing_device(device, "auto"))
    else:
        directory = RunDirectory(run)
        # A model folder will do, and it says nothing about devices.
        trained_on = (
            directory.read_config().training.device if directory.config_file.exists() else "auto"
        )
        model = load(run, computing_device(device, trained_on))
    with ConsoleProgress() as progress:
        stage = stages(progress)
        embedded, unreadable = export_embeddings(
            model,
            out,
            sources,
            output=output,
            workers=decoding_workers(),
            progress=lambda done, total: stage("embedding", done, total),
            tell=lambda note: progress.say(f"Note: {note}"),
        )
    console.say(f"Embeddings written to {out}: {embedded}")
    if unreadable:
        console.say(f"Left out, since they cannot be decoded: {unreadable}")
