"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from natlib.errors import ConfigError
from natlib.families import MODALITIES
from natlib.registry import Registry

__all__ = ["ConfigFile", "Device", "Modality", "Preset", "Settings", "Source", "kinds", "nested"]

WHAT = "What to train"


def kinds(registry: Registry[Any]) -> str:
    """Whatever is installed of a family, by name; nothing of it is imported."""
    try:
        return ", ".join(registry.kinds())
    except ConfigError:  # two of one name, which a command says better than its help
        return "one of several"


Modality = Annotated[
    str | None,
    typer.Option(
        "--modality",
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
        help="A tested set of settings, 'nat' or 'nat2017' (the paper) for images.",
        rich_help_panel=WHAT,
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
        help="What to compute on: auto, cpu, cuda or one of several, cuda:1. By default what "
        "the run was trained on, or the CPU where that is not there.",
    ),
]


def nested(**options: Any) -> dict[str, Any]:
    """Options as a nested mapping; ``data__source`` stands for ``data.source``, None for absent."""
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
