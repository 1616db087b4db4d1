"""``natlib eval``."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from natlib.errors import ConfigError
from natlib.families import PROTOCOLS
from natlib_cli.options import (
    Checkpoint,
    Device,
    OfCheckpoint,
    check_subject,
    completion,
    kinds,
)
from natlib_cli.output import console, print_evaluation

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="Run directory, or --encoder.", metavar="[RUN]")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            autocompletion=completion(PROTOCOLS),
            metavar="NAME",
            help=f"Evaluation protocol: {kinds(PROTOCOLS)}. By default 'standard', kNN "
            "and a linear probe. 'imagenet' is the 2017 paper's: a perceptron on frozen "
            "convolutions, ten crops.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting of the protocol, or of evaluation: --set evaluation.seed=1; with "
            "--encoder also of data: --set data.length=64. Repeatable.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Evaluate on this source; by default on the one that the run was trained on.",
        ),
    ] = None,
    encoder: Checkpoint = None,
    modality: OfCheckpoint = None,
    device: Device = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")
    ] = None,
) -> None:
    """Evaluate a trained encoder beside its baselines, by kNN and a linear probe.

    Measured on the encoder's features, on the head's output, on the encoder as it began and on raw
    inputs. The result is saved in RUN/evaluations. With --encoder FOLDER --modality KIND, a
    checkpoint is evaluated as it came, before anybody trains; nothing is saved but --json.
    """
    from natlib.evaluation import STANDARD
    from natlib.protocols import compose_protocol, subject_as_it_came, subject_of
    from natlib.training import ConsoleProgress, save_evaluation, stages

    check_subject(run, encoder, modality)
    groups = ("evaluation.", "data.") if run is None else ("evaluation.",)
    shared = [text for text in settings or [] if text.strip().startswith(groups)]
    own = [text for text in settings or [] if text not in shared]
    if protocol is None and own:
        raise ConfigError(
            f"'{own[0]}' is a setting of a protocol; name one (--protocol), or begin the key with "
            "'evaluation.'"
        )
    chosen = compose_protocol(protocol or STANDARD, own)
    with ConsoleProgress() as progress, ExitStack() as stack:
        common: dict[str, Any] = {
            "data": data, "settings": shared, "device": device, "progress": stages(progress),
        }  # fmt: skip
        if run is not None:
            subject = subject_of(run, **common)
        else:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            subject = subject_as_it_came(str(encoder), str(modality), folder, **common)
        evaluation = chosen.run(subject)
    print_evaluation(evaluation)
    if run is not None:
        console.say(f"Saved in {save_evaluation(subject.directory, evaluation)}")
    if json_file is not None:
        json_file.write_text(evaluation.to_json(), encoding="utf-8")
        console.say(f"Written to {json_file}")
