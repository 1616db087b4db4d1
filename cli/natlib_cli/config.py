"""``natlib config``: look at a configuration, its schema, or a file to start from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from natlib.errors import ConfigError
from natlib.escaping import escaped
from natlib_cli import options
from natlib_cli.output import console, print_note

__all__ = ["config_app"]

_SCHEMA_FILE = "natlib-schema.json"
# What editors with the YAML language server look for.
_FOR_EDITORS = f"# yaml-language-server: $schema={_SCHEMA_FILE}\n"

config_app = typer.Typer(no_args_is_help=True, help="Show, describe and begin configurations.")


@config_app.command()
def show(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN", help="Run directory; the options, if there are any, are laid over it."
        ),
    ] = None,
    modality: options.Modality = None,
    data: options.Source = None,
    preset: options.Preset = None,
    encoder: options.Encoder = None,
    targets: options.Targets = None,
    assignment: options.Assignment = None,
    solver: options.Solver = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
) -> None:
    """Print the resolved configuration, of a run or of the options that train takes."""
    from natlib.configuration import dump_yaml
    from natlib.training import RunDirectory, compose

    resolved = compose(
        modality,
        preset=preset,
        file=config,
        options=options.nested(data__source=data),
        encoder=encoder,
        targets=targets,
        assignment=assignment,
        solver=solver,
        settings=settings or [],
        base=None if run is None else RunDirectory(run).read_config(),
        tell=print_note,
    )
    # In double quotes, where such characters stand, YAML reads what is written out here.
    typer.echo(escaped(dump_yaml(resolved.model_dump(mode="json")), lines=True), nl=False)


@config_app.command()
def schema() -> None:
    """Print the JSON schema of a configuration, plug-ins included (for editors)."""
    typer.echo(_schema(), nl=False)


@config_app.command()
def init(
    out: Annotated[Path, typer.Argument(help="File to write.", metavar="FILE")],
    modality: options.Modality = None,
    data: options.Source = None,
    preset: options.Preset = None,
    encoder: options.Encoder = None,
    targets: options.Targets = None,
    assignment: options.Assignment = None,
    solver: options.Solver = None,
    config: options.ConfigFile = None,
    settings: options.Settings = None,
) -> None:
    """Write a configuration file in which every setting is explained.

    Beside it goes the JSON schema with which editors complete and check the file.
    """
    from natlib.configuration import commented_yaml
    from natlib.training import compose

    beside = out.with_name(_SCHEMA_FILE)
    if out.exists():
        raise ConfigError(f"{out} exists; choose another name or remove it first")
    if out == beside or (beside.exists() and not _is_schema(beside)):
        raise ConfigError(
            f"{beside} is for the schema of {out.name}; choose another name or folder"
        )
    resolved = compose(
        modality,
        preset=preset,
        file=config,
        options=options.nested(data__source=data),
        encoder=encoder,
        targets=targets,
        assignment=assignment,
        solver=solver,
        settings=settings or [],
        tell=print_note,
    )
    out.write_text(_FOR_EDITORS + commented_yaml(resolved), encoding="utf-8")
    beside.write_text(_schema(), encoding="utf-8")
    console.say(
        f"Written to {out}, and for editors {beside}. Train with: natlib train --config {out}"
    )


def _schema() -> str:
    """The schema, as files and the terminal show it."""
    from natlib.training import RunConfig

    return json.dumps(RunConfig.model_json_schema(), indent=2) + "\n"


def _is_schema(file: Path) -> bool:
    """Whether a file may be replaced by a schema: it is one."""
    from natlib.training import RunConfig

    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("title") == RunConfig.__name__
