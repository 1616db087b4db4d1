"""``natlib eval``."""

from pathlib import Path
from typing import Annotated

import typer

from natlib.errors import ConfigError
from natlib.families import PROTOCOLS
from natlib_cli.options import Device, kinds
from natlib_cli.output import console, print_evaluation, print_result

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run directory.", metavar="RUN")],
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help=f"How to judge: {kinds(PROTOCOLS)}. By default kNN and a linear probe. "
            "'imagenet' is the 2017 paper's: a perceptron on frozen convolutions, ten crops.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting of the protocol, or of evaluation: --set evaluation.seed=1. "
            "Repeatable.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Judge on this source; by default on the one that the run was trained on.",
        ),
    ] = None,
    device: Device = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")
    ] = None,
) -> None:
    """Judge a trained encoder: kNN and linear probe, beside its baselines.

    Measured on the encoder's features, on the head's output, on a randomly initialised
    encoder and on raw inputs. The result of a protocol is kept in RUN/evaluations.
    """
    from natlib.evaluation import evaluate as evaluate_model
    from natlib.protocols import compose_protocol, keep, subject_of
    from natlib.training import ConsoleProgress, stages

    shared = [text for text in settings or [] if text.strip().startswith("evaluation.")]
    own = [text for text in settings or [] if text not in shared]
    chosen = None if protocol is None else compose_protocol(protocol, own)
    if chosen is None and own:
        raise ConfigError(
            f"'{own[0]}' is a setting of a protocol; name one (--protocol), or begin the key with "
            "'evaluation.'"
        )
    with ConsoleProgress() as progress:
        subject = subject_of(
            run, data=data, settings=shared, device=device, progress=stages(progress)
        )
        if chosen is None:
            train, seen = subject.training_samples()
            evaluation = evaluate_model(
                subject.model.encoder,
                subject.model.objective,
                subject.modality,
                subject.evaluation,
                subject.model.recipe,
                device=subject.device,
                workers=subject.workers,
                progress=subject.progress,
                train=train,
                seen=seen,
            )
        else:
            result = chosen.run(subject)
    if chosen is None:
        print_evaluation(evaluation)
        text = evaluation.to_json()
    else:
        print_result(result)
        console.print(f"Kept in {keep(subject.directory, result)}", soft_wrap=True)
        text = result.to_json()
    if json_file is not None:
        json_file.write_text(text, encoding="utf-8")
        console.print(f"Written to {json_file}", soft_wrap=True)
