"""Layers of configuration: defaults, preset, file, assignments; and errors in one line."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from natlib.component import Component, nearest
from natlib.errors import ConfigError

__all__ = [
    "assignment",
    "commented_yaml",
    "describe",
    "merge",
    "preset_names",
    "read_preset",
    "read_yaml",
]


def describe(error: Exception) -> str:
    """What is wrong with a configuration, in one line with dotted keys."""
    if isinstance(error, ValidationError):
        return "; ".join(_one(detail) for detail in error.errors()[:3])
    return " ".join(str(error).split())


def _one(detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    context = detail.get("ctx", {})
    if detail["type"] == "unknown_key":
        full = f"{path}.{context['key']}" if path else context["key"]
        return f"unknown key '{full}'; {context['hint']}"
    text = detail["msg"].removeprefix("Value error, ")
    text = text[0].lower() + text[1:]
    if detail["type"] == "missing":
        text = "a value is needed"
    elif detail["type"] != "component" and not isinstance(detail["input"], Mapping | BaseModel):
        # The input of a check on a whole group is that group: too long to show.
        text = f"{text}, got {detail['input']!r}"
    return f"{path}: {text}" if path else text


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a YAML or JSON file.

    Raises:
        ConfigError: the file is missing, cannot be parsed or holds something else.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {_yaml_problem(error)}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds a {type(value).__name__}; expected keys and values")
    return value


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


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


def assignment(text: str) -> dict[str, Any]:
    """``a.b=value`` as a nested mapping; the value is read as YAML.

    Raises:
        ConfigError: there is no ``=``, or the value cannot be parsed.
    """
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"cannot read the setting '{text}'; expected key=value, as in a.b=3")
    try:
        value = yaml.safe_load(raw) if raw.strip() else None
    except yaml.YAMLError as error:
        raise ConfigError(f"cannot read the value of '{text}': it is not valid YAML") from error
    if isinstance(value, str) and value == raw.strip():  # in quotes it is meant to be text
        value = _number(value)
    *parents, last = key.strip().split(".")
    nested: dict[str, Any] = {last: value}
    for part in reversed(parents):
        nested = {part: nested}
    return nested


def _number(text: str) -> str | float:
    # YAML 1.1 takes 1e-3 for a string, since it has no dot.
    try:
        return float(text) if text[:1] in "+-.0123456789" else text
    except ValueError:
        return text


def merge(model: type[BaseModel], layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay mappings over each other, the later ones on top.

    Where a later layer names another ``kind`` of component, of the lower layers only
    those keys stay that the new kind also has.

    Args:
        model: the model that the result is for; it tells where components are.
        layers: nested mappings, lowest first.

    Raises:
        ConfigError: keys are laid over something that holds no keys.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _lay(model, merged, layer)
    return merged


def _lay(
    model: type[BaseModel] | None,
    low: Mapping[str, Any],
    high: Mapping[str, Any],
    prefix: str = "",
    of_each: type[BaseModel] | None = None,
) -> dict[str, Any]:
    """``of_each`` is the model of every value, in a mapping whose keys are names."""
    if model is not None and issubclass(model, Component):
        kind = high.get("kind", low.get("kind"))
        model = _member(model, kind)
        if model is not None and low.get("kind") not in (None, kind):
            low = {key: value for key, value in low.items() if key in model.model_fields}
    result = dict(low)
    for key, value in high.items():
        below = result.get(key)
        inner, named = (of_each, False) if of_each else _field_model(model, key)
        if inner is not None and not named and issubclass(inner, Component):
            # The bare name of a kind stands for a mapping.
            value = {"kind": value} if isinstance(value, str) else value
            below = {"kind": below} if isinstance(below, str) else below
        if isinstance(value, Mapping):
            if below is None and "kind" not in value:
                below = _default_kind(model, key)
            if not isinstance(below, Mapping | None):
                raise ConfigError(f"{prefix}{key}: expected keys and values, got {below!r}")
            path = f"{prefix}{key}."
            one, each = (None, inner) if named else (inner, None)
            result[key] = _lay(one, below or {}, value, path, each)
        else:
            result[key] = value
    return result


def _default_kind(model: type[BaseModel] | None, key: str) -> dict[str, Any] | None:
    """The kind of a field that holds a component by default: what settings without one are of."""
    if model is None or key not in model.model_fields:
        return None
    default = model.model_fields[key].get_default()
    return {"kind": default.kind} if isinstance(default, Component) else None


def _member(family: type[Component], kind: Any) -> type[Component] | None:
    """The class of a kind; None where there is none, which validating says better."""
    try:
        return family.registry.get(kind) if isinstance(kind, str) else None
    except ConfigError:
        return None


def _field_model(model: type[BaseModel] | None, key: str) -> tuple[type[BaseModel] | None, bool]:
    """The model in a field's annotation, if there is one, and whether it is that of each value."""
    if model is None or key not in model.model_fields:
        return None, False
    annotation = model.model_fields[key].annotation
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option, get_origin(annotation) is dict
    return None, False


def commented_yaml(settings: BaseModel) -> str:
    """A configuration as YAML in which every setting is explained by a comment."""
    return "\n".join(_commented(settings, 0)) + "\n"


def _commented(settings: BaseModel, depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if field.description:
            text = " ".join(field.description.replace("``", "'").split())
            lines += [f"{indent}# {line}" for line in textwrap.wrap(text, 92 - len(indent))]
        if isinstance(value, BaseModel):
            inner = _commented(value, depth + 1)
            lines += [f"{indent}{name}:", *inner] if inner else [f"{indent}{name}: {{}}"]
        else:
            plain = settings.model_dump(mode="json", include={name})[name]
            text = yaml.safe_dump(plain, default_flow_style=True, width=10_000).strip()
            lines.append(f"{indent}{name}: {text.removesuffix('...').strip()}")
        if depth == 0:
            lines.append("")
    return lines
