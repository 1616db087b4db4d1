"""Presets: YAML files that a modality ships."""

from pathlib import Path
from typing import Any

from natlib.component import nearest
from natlib.configuration.yaml12 import read_yaml
from natlib.errors import ConfigError

__all__ = ["preset_names", "read_preset"]


def preset_names(folder: Path | None) -> list[str]:
    """Names of the presets in a modality's folder."""
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder else []


def read_preset(folder: Path | None, name: str) -> dict[str, Any]:
    """A preset by name.

    Raises:
        ConfigError: the modality has no preset of that name.
    """
    names = preset_names(folder)
    if folder is None or name not in names:
        raise ConfigError(f"unknown preset '{name}'; {nearest(name, names)}")
    return read_yaml(folder / f"{name}.yaml")
