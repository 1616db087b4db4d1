"""``natlib train``."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from natlib.errors import ConfigError
from natlib_cli import options
from natlib_cli.output import SPEAKS, console, print_evaluation, print_note

if TYPE_CHECKING:
    from natlib.training import TrainResult

__all__ = ["train"]

_LOOP = "Time, sizes and seed (what is not given fits data and machine)"
_LABELS = "Labels that training sees (by default none)"
_MACHINE = "Device"
_RUN = "The run directory"


def train(
    modality: options.Modality = None,
    data: options.Source = None,
    preset: options.Preset = None,
    encoder: options.Encoder = None,
    targets: options.Targets = None,
    assignment: options.Assignment = None,
    solver: options.Solver = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the samples.", rich_help_panel=_LOOP)
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Choose the number of epochs so that the run takes about so long: 20m, 2h.",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of images in pixels, as the encoder gets them.", rich_help_panel=_LOOP
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Samples per step, summed over all processes.", rich_help_panel=_LOOP),
    ] = None,
    micro_batch: Annotated[
        str | None,
        typer.Option(
            metavar="auto|N",
            help="Samples that are encoded at once, where a batch is too large for the memory; "
            "'auto' measures.",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    max_samples: Annotated[
        int | None,
        typer.Option(help="Train on a random subset of this size.", rich_help_panel=_LOOP),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all random numbers.", rich_help_panel=_LOOP)
    ] = None,
    label_fraction: Annotated[
        float | None,
        typer.Option(help="Reveal this share of each class's labels.", rich_help_panel=_LABELS),
    ] = None,
    labels_per_class: Annotated[
        int | None,
        typer.Option(help="Reveal this many labels of each class.", rich_help_panel=_LABELS),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Where they come from, if not from the samples: a table with the columns name "
            "and label, or a source of labelled samples to train on too.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None,
        typer.Option(
            help="'auto' takes a CUDA device if there is one; 'mps' is a GPU of Apple.",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    precision: Annotated[
        Literal["fp32", "bf16"] | None,
        typer.Option(help="Arithmetic of the encoder.", rich_help_panel=_MACHINE),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that decode samples.", rich_help_panel=_MACHINE)
    ] = None,
    compile_encoder: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Compile the encoder with torch.compile.",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Run directory; by default a new one in 'runs'.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Resume an interrupted run; the result equals that of an uninterrupted one.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Start a new run from the weights of this one.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace the run that is in --out, once the new one has a checkpoint.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    continue_run: Annotated[
        bool,
        typer.Option(
            "--continue",
            help="Start the run in --out, go on with it, or evaluate it, whatever is left to do: "
            "the same command for every attempt of a scheduler.",
            rich_help_panel=_RUN,
        ),
    ] = False,
) -> None:
    """Train an encoder without labels.

    With nothing but a modality it trains on a small embedded data set and ends with a table
    of what was learnt. Several devices: torchrun --nproc-per-node N -m natlib_cli train ...
    """
    from natlib.training import (
        ConsoleProgress,
        RunDirectory,
        SilentProgress,
        compose,
    )
    from natlib.training import resume as resume_run
    from natlib.training import train as train_run

    given = options.nested(
        data__source=data,
        data__max_samples=max_samples,
        data__size=size,
        labels__fraction=label_fraction,
        labels__per_class=labels_per_class,
        labels__source=labels,
        training__epochs=epochs,
        training__batch_size=batch_size,
        training__micro_batch=micro_batch,
        training__seed=seed,
        training__device=device,
        training__precision=precision,
        training__workers=workers,
        training__compile=compile_encoder,
    )
    layers: dict[str, Any] = {
        "preset": preset,
        "file": config,
        "options": given,
        "encoder": encoder,
        "targets": targets,
        "assignment": assignment,
        "solver": solver,
        "settings": settings or [],
        "tell": print_note,
    }
    progress = ConsoleProgress() if SPEAKS else SilentProgress()
    if resume is not None:
        for option, value in (("--out", out), ("--init-from", init_from)):
            if value is not None:
                raise ConfigError(f"--resume goes on with a run where it is; leave out {option}")
        for option, given_too in (("--overwrite", overwrite), ("--continue", continue_run)):
            if given_too:
                raise ConfigError(f"--resume goes on with a run; leave out {option}")
        if budget is not None:
            raise ConfigError(
                "--resume goes on for the epochs that were chosen; leave out --budget"
            )
        saved = RunDirectory(resume).config_to_resume()
        asked = compose(modality, **layers, base=saved)
        result = resume_run(resume, config=asked, progress=progress)
    else:
        if continue_run and out is None:
            raise ConfigError("--continue needs to know which run: give its directory (--out)")
        if continue_run and overwrite:
            raise ConfigError("--continue goes on with a run; leave out --overwrite")
        result = train_run(
            out=out,
            modality=modality,
            **layers,
            budget=budget,
            init_from=init_from,
            overwrite=overwrite,
            continue_run=continue_run,
            progress=progress,
        )
    _conclude(result)


def _program() -> str:
    """How this command was started: by itself, or as one of several processes."""
    count = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return "natlib" if count == "1" else f"torchrun --nproc-per-node {count} -m natlib_cli"


def _conclude(result: "TrainResult") -> None:
    if result.unreadable:
        console.say(f"Left out, since they cannot be decoded: {result.unreadable} (see train.log)")
    run = shlex.quote(str(result.run))
    if not result.finished:
        console.say(f"Interrupted after update {result.step}; a checkpoint is written. Go on with:")
        console.say(f"  {_program()} train --resume {run}")
        raise SystemExit(128 + (result.signal or 0))
    if result.evaluation is not None:
        print_evaluation(result.evaluation)
    else:
        console.say(f"Not evaluated: {result.not_evaluated}.")
    if result.found_finished:
        console.say(f"The run in {result.run} is finished; nothing was left to do.")
        return
    minutes, seconds = divmod(round(result.seconds), 60)
    console.say(f"Trained in {minutes} min {seconds} s. The run is in {result.run}")
    console.say(f"A page about it: natlib report {run}. Does it work? natlib doctor {run}")
