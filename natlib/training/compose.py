"""A run's configuration from its layers: preset, file, options, settings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from natlib.configuration import (
    Dropped,
    check_effect,
    describe,
    dropped,
    merge,
    parse_setting,
    read_preset,
    read_yaml,
)
from natlib.data import Modality
from natlib.errors import ConfigError
from natlib.runtime.log import logger
from natlib.training.choices import Choices
from natlib.training.config import RunConfig
from natlib.training.label_use import check_label_use
from natlib.training.never_due import check_due

__all__ = ["asked_for", "compose"]


def compose(
    modality: str | None = None,
    *,
    preset: str | None = None,
    file: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    encoder: str | None = None,
    targets: str | None = None,
    assignment: str | None = None,
    solver: str | None = None,
    settings: Sequence[str] = (),
    base: RunConfig | None = None,
    chosen: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = logger.warning,
) -> RunConfig:
    """Lay preset, file, options, choices and settings over each other, the later ones on top.

    The choices are kinds by name. Of a combined objective, those of targets, assignment and solver
    are for the first part that has such. A solver beside an assignment without one, which the
    preset names and nothing else, chooses the assignment ``stream``.

    Args:
        modality: kind of the modality, ``image`` say; may also stand in the file.
        preset: one of the modality's presets; by default the modality chooses one.
        file: a YAML or JSON file with any part of a configuration.
        options: a nested mapping.
        encoder: kind of the encoder, as ``encoder``.
        targets: kind of the target distribution, as ``objective.targets``.
        assignment: kind of the assignment, as ``objective.assignment``.
        solver: kind of the solver, as ``objective.assignment.solver``.
        settings: ``"objective.targets.dim=64"`` and the like.
        base: start from this configuration in place of the default preset.
        chosen: what natlib chooses to fit data and machine; right over the preset.
        tell: called with a line where a choice changes something else, and where settings of the
            file have no effect.

    Raises:
        ConfigError: anything in them cannot be read or is not valid.
    """
    layers: list[Mapping[str, Any]] = [base.model_dump(mode="json")] if base else []
    upper: list[Mapping[str, Any]] = [read_yaml(Path(file))] if file else []
    upper += [{"data": {"kind": modality}}] if modality else []
    upper += [{"preset": preset}] if preset else []
    below = [options] if options else []
    above = [parse_setting(text) for text in settings]
    try:
        if preset or base is None:
            data = merge(RunConfig, [*layers, *upper, *below, *above]).get("data", {})
            layers.append(_preset(data, preset or _named_preset([*upper, *below, *above])))
        layers += [chosen] if chosen else []
        layers += upper
        choices = Choices(encoder, targets, assignment, solver)
        if any(choices):
            layer, note = choices.layer(
                merge(RunConfig, [*layers, *below, *above]), merge(RunConfig, [*below, *above])
            )
            below.append(layer)
            if note is not None:
                tell(note)
        merged = merge(RunConfig, [*layers, *below, *above])
        for asked in (*below, *above):
            check_effect(RunConfig, asked, merged)
        if file is not None:
            _tell_dropped(file, dropped(RunConfig, upper[0], merged), tell)
        config = RunConfig.model_validate(merged)
        for asked in (*below, *above):
            check_due(config, asked)
        check_label_use(config)
        if config.encoder is not None:
            config.data.check_encoder(config.encoder)
        return config
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def asked_for(
    *,
    file: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    encoder: str | None = None,
    settings: Sequence[str] = (),
    **_: Any,
) -> dict[str, Any]:
    """Of what :func:`compose` takes, the settings of data, encoder and training that a user gave.

    Raises:
        ConfigError: anything in them cannot be read.
    """
    layers: list[Mapping[str, Any]] = [read_yaml(Path(file))] if file else []
    layers += [options] if options else []
    layers += [{"encoder": encoder}] if encoder else []
    return merge(RunConfig, [*layers, *(parse_setting(text) for text in settings)])


def _tell_dropped(file: Path | str, gone: Sequence[Dropped], tell: Callable[[str], None]) -> None:
    """Say which settings of a file have no effect, in a line for each cause."""
    causes: dict[str, list[str]] = {}
    for path, cause in gone:
        causes.setdefault(cause, []).append(path)
    for cause, paths in causes.items():
        count = f"{len(paths)} setting{'s' if len(paths) > 1 else ''} of {file}"
        cause = cause if len(paths) == 1 else cause.replace(" it", " them")
        tell(f"Without effect: {count} ({', '.join(paths)}); a later one {cause}.")


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
