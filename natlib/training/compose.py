"""A run's configuration from its layers: preset, file, options, settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from natlib.configuration import (
    check_effect,
    describe,
    merge,
    parse_setting,
    read_preset,
    read_yaml,
)
from natlib.data import Modality
from natlib.errors import ConfigError
from natlib.training.config import RunConfig

__all__ = ["compose"]


def compose(
    modality: str | None = None,
    *,
    preset: str | None = None,
    file: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    base: RunConfig | None = None,
) -> RunConfig:
    """Lay preset, file, options and settings over each other, the later ones on top.

    Args:
        modality: kind of the modality, ``image`` say; may also stand in the file.
        preset: one of the modality's presets; by default the modality chooses one.
        file: a YAML or JSON file with any part of a configuration.
        options: a nested mapping.
        settings: ``"objective.targets.dim=64"`` and the like.
        base: start from this configuration in place of the default preset.

    Raises:
        ConfigError: anything in them cannot be read or is not valid.
    """
    layers: list[Mapping[str, Any]] = [base.model_dump(mode="json")] if base else []
    upper: list[Mapping[str, Any]] = [read_yaml(Path(file))] if file else []
    upper += [{"data": {"kind": modality}}] if modality else []
    upper += [{"preset": preset}] if preset else []
    explicit = [options] if options else []
    explicit += [parse_setting(text) for text in settings]
    upper += explicit
    try:
        if preset or base is None:
            data = merge(RunConfig, [*layers, *upper]).get("data", {})
            layers.append(_preset(data, preset or _named_preset(upper)))
        merged = merge(RunConfig, [*layers, *upper])
        for asked in explicit:
            check_effect(asked, merged)
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _named_preset(layers: Sequence[Mapping[str, Any]]) -> str | None:
    """A preset that a configuration file names."""
    named = [layer["preset"] for layer in layers if layer.get("preset")]
    return str(named[-1]) if named else None


def _preset(data: Any, name: str | None) -> dict[str, Any]:
    kinds = ", ".join(Modality.registry.kinds())
    if not isinstance(data, Mapping) or "kind" not in data:
        raise ConfigError(f"no modality is named; give --modality (or data.kind), one of: {kinds}")
    member = Modality.registry.get(str(data["kind"]))
    if name is None and member.presets is None:
        return {}
    if name is None:
        # Only the source decides; what else is wrong with the data is said later, with
        # the preset's values in place.
        name = member.model_construct(source=data.get("source")).default_preset()
    values = read_preset(member.presets, name)
    values["preset"] = name
    return values
