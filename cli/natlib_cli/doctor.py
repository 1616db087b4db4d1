"""``natlib doctor``."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natlib.errors import ConfigError
from natlib_cli import options
from natlib_cli.output import console

if TYPE_CHECKING:
    from natlib.doctor import DataReport, Finding, RunReport

__all__ = ["doctor"]

# 1 is an error and 2 a usage that no command takes.
_NEEDS_ACTION = 3

_COLOURS = {"act": "bold red", "fine": "green", "unknown": "yellow", "irrelevant": "dim"}
_WORDS = {"act": "ACT", "fine": "fine", "unknown": "unknown", "irrelevant": "-"}


def doctor(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Run directory, finished or not.")
    ] = None,
    modality: options.Modality = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Check this source in place of a run, before training on it.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    settings: options.Settings = None,
    samples: Annotated[
        int, typer.Option(min=16, help="Samples of a run that are read and embedded, at most.")
    ] = 2048,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the findings here.")
    ] = None,
) -> None:
    """Ask whether a run works, or whether data are fit to train on.

    Every diagnosis gives a verdict, the numbers behind it, and what to do next. The exit
    code is 0 if nothing needs to be done, and 3 if something does.
    """
    from natlib.doctor import diagnose, diagnose_data
    from natlib.training import ConsoleProgress, compose, decoding_workers

    report: RunReport | DataReport
    if run is not None:
        if data is not None or modality is not None or settings:
            raise ConfigError(
                "a run says itself what it was trained on; give RUN alone, or --data and "
                "--modality for a source"
            )
        report = diagnose(run, samples=samples, progress=ConsoleProgress())
        _head_of_run(report)
    elif data is not None or modality is not None:
        given = options.nested(data__source=data)
        config = compose(modality, options=given, settings=settings or [])
        report = diagnose_data(
            config.data, workers=decoding_workers(config.training), progress=ConsoleProgress()
        )
        counts = ", ".join(f"{count:,} {split}" for split, count in report.samples.items())
        console.say(f"Source {report.source}: {counts}")
        for note in report.notes:
            console.say(f"Note: {note}")
    else:
        raise ConfigError("give a run directory, or a source with --data and --modality")
    for name, finding in report.findings.items():
        _print(name, finding)
    if json_file is not None:
        json_file.write_text(_as_json(report), encoding="utf-8")
        console.say(f"Written to {json_file}")
    if not report.healthy:
        raise SystemExit(_NEEDS_ACTION)


def _head_of_run(report: "RunReport") -> None:
    console.say(f"Run {report.run}: {report.step} of {report.updates} updates recorded")
    if report.stopped_by is not None:
        console.say(f"It was stopped by an error: {report.stopped_by}")


def _print(name: str, finding: "Finding") -> None:
    from natlib.doctor import evidence_text

    verdict = (f"{_WORDS[finding.verdict]:8}", _COLOURS[finding.verdict])
    console.say(verdict, (name, "bold"), f": {finding.message}")
    if finding.evidence:
        console.say(f"        {evidence_text(finding.evidence)}")
    for sample in finding.names:
        console.say(f"        such as {sample}")
    if finding.next_step:
        console.say(f"        Next: {finding.next_step}")


def _as_json(report: "RunReport | DataReport") -> str:
    values: dict[str, Any] = dataclasses.asdict(report) | {"healthy": report.healthy}
    return json.dumps(values, indent=2, default=str) + "\n"
