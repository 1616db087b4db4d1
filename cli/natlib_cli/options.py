"""Options that several commands share."""

from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from natlib.errors import ConfigError
from natlib.families import ASSIGNMENTS, ENCODERS, MODALITIES, SOLVERS, TARGETS
from natlib.registry import EntryPoints, Registry

__all__ = [
    "Assignment",
    "Checkpoint",
    "ConfigFile",
    "Device",
    "Encoder",
    "Modality",
    "OfCheckpoint",
    "Preset",
    "Settings",
    "Solver",
    "Source",
    "Targets",
    "check_subject",
    "completion",
    "kinds",
    "nested",
    "presets",
]

WHAT = "What to train"
METHOD = "Components by kind (--set changes their settings)"


def kinds(registry: Registry[Any]) -> str:
    """The installed kinds of a family, separated by commas; none is imported."""
    try:
        return ", ".join(registry.kinds())
    except ConfigError:  # two of one name, which a command says better than its help
        return "one of several"


def completion(registry: Registry[Any]) -> Callable[[str], list[str]]:
    """Completes the name of a kind in a shell."""

    def begun(incomplete: str) -> list[str]:
        try:
            return [kind for kind in registry.kinds() if kind.startswith(incomplete)]
        except ConfigError:
            return []

    return begun


def presets(context: typer.Context, incomplete: str) -> list[str]:
    """Completes the name of a preset: of the modality that is named, or else of all.

    Presets are looked for where modalities usually keep them, the folder ``presets`` of their
    package: to ask a modality is to import it.
    """
    asked = context.params.get("modality")
    names: set[str] = set()
    with suppress(ConfigError, ImportError):
        for kind, entry in EntryPoints(MODALITIES.noun, MODALITIES.group).found().items():
            package = find_spec(entry.module.partition(".")[0])
            if asked in (None, kind) and package is not None:
                for folder in package.submodule_search_locations or ():
                    names.update(file.stem for file in Path(folder, "presets").glob("*.yaml"))
    return sorted(name for name in names if name.startswith(incomplete))


def _kind(name: str, registry: Registry[Any], text: str) -> Any:
    """An option that takes the name of a kind."""
    return typer.Option(
        name,
        metavar="KIND",
        help=f"{text}: {kinds(registry)}.",
        autocompletion=completion(registry),
        rich_help_panel=METHOD,
    )


Modality = Annotated[
    str | None,
    typer.Option(
        "--modality",
        autocompletion=completion(MODALITIES),
        help=f"Kind of data: {kinds(MODALITIES)}; `natlib plugins` says where each comes from.",
        rich_help_panel=WHAT,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="Where samples come from: a folder, a file, or a name that the modality knows. "
        "By default a small embedded data set.",
        rich_help_panel=WHAT,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        autocompletion=presets,
        help="A tested set of settings, 'nat' or 'nat2017' (the paper) for images.",
        rich_help_panel=WHAT,
    ),
]
Encoder = Annotated[
    str | None,
    _kind("--encoder", ENCODERS, "Encoder to train, or the folder of a checkpoint; kinds"),
]
Targets = Annotated[str | None, _kind("--targets", TARGETS, "Target distribution")]
Assignment = Annotated[
    str | None, _kind("--assignment", ASSIGNMENTS, "Assignment of targets to samples")
]
Solver = Annotated[
    str | None, _kind("--solver", SOLVERS, "Solver that matches samples with targets")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="FOLDER",
        help="In place of a run: a checkpoint as it came, of transformers, sentence-transformers "
        "or timm. Also give --modality.",
    ),
]
OfCheckpoint = Annotated[
    str | None,
    typer.Option(
        "--modality",
        autocompletion=completion(MODALITIES),
        help=f"With --encoder: kind of data, {kinds(MODALITIES)}.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="YAML or JSON file, laid over the preset; `natlib config init` writes one.",
        rich_help_panel=WHAT,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, laid over everything else: --set objective.targets.dim=64. Repeatable.",
        rich_help_panel=WHAT,
    ),
]


Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="What to compute on: auto, cpu, mps, cuda or one of several, cuda:1. By default what "
        "the run was trained on, or the CPU where that is not there.",
    ),
]


def nested(**options: Any) -> dict[str, Any]:
    """Options as a nested mapping: ``data__source`` becomes ``data.source``, None is left out."""
    result: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        *parents, key = name.split("__")
        level = result
        for parent in parents:
            level = level.setdefault(parent, {})
        level[key] = value
    return result


def check_subject(run: Path | None, encoder: str | None, modality: str | None) -> None:
    """Check that either a run is given, or a checkpoint and its modality.

    Raises:
        ConfigError: both, neither, or a half.
    """
    if (run is None) == (encoder is None):
        what = "both a run and --encoder" if run is not None else "neither a run nor --encoder"
        raise ConfigError(
            f"got {what}; give the directory of a run, or --encoder FOLDER --modality KIND for a "
            "checkpoint as it came"
        )
    if (encoder is None) != (modality is None):
        missing = "--modality" if modality is None else "--encoder"
        raise ConfigError(f"--encoder and --modality go together; {missing} is missing")
