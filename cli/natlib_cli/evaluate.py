"""``natlib eval``."""

from pathlib import Path
from typing import Annotated

import typer

import natlib
from natlib.training import ConsoleProgress, RunDirectory, decoding_workers, stages
from natlib_cli.output import console, print_evaluation

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run directory.", metavar="RUN")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Judge on this source; by default on the one that the run was trained on.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")
    ] = None,
) -> None:
    """Judge a trained encoder: kNN and linear probe, beside its baselines.

    Measured on the encoder's features, on the head's output, on a randomly initialised
    encoder and on raw inputs.
    """
    config = RunDirectory(run).read_config()
    model = natlib.load(run)
    modality = model.modality if data is None else model.modality.with_source(data)
    with ConsoleProgress() as progress:
        evaluation = natlib.evaluate(
            model.encoder,
            model.objective,
            modality,
            config.evaluation,
            model.recipe,
            device=model.device,
            workers=decoding_workers(config.training),
            progress=stages(progress),
        )
    print_evaluation(evaluation)
    if json_file is not None:
        json_file.write_text(evaluation.to_json(), encoding="utf-8")
        console.print(f"Written to {json_file}", soft_wrap=True)
