"""Layers of configuration: one laid over the other, the later ones on top."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from natlib.component import Component
from natlib.conditions import conditions_of, unread, value_of
from natlib.configuration.yaml12 import parse_scalar, parse_yaml
from natlib.errors import ConfigError
from natlib.escaping import shown

__all__ = ["Dropped", "check_effect", "dropped", "merge", "parse_setting"]


def parse_setting(text: str) -> dict[str, Any]:
    """``a.b=value`` as a nested mapping.

    A value that begins with ``[``, ``{`` or a quote is read as YAML 1.2. Anything else is
    a single value up to its end: ``null``, a boolean, a number, or else text, whatever is in it.

    Raises:
        ConfigError: there is no ``=``, or the value cannot be parsed.
    """
    key, equals, raw = text.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        raise ConfigError(f"cannot read the setting '{text}'; expected key=value, as in a.b=3")
    nested: Any = _setting_value(raw.strip(), text)
    for part in reversed(path):
        nested = {part: nested}
    values: dict[str, Any] = nested
    return values


def _setting_value(raw: str, text: str) -> Any:
    if raw.startswith(("[", "{", '"', "'")):
        return parse_yaml(raw, f"the value of '{text}' (text goes into quotes)")
    try:
        return parse_scalar(raw)
    except ValueError as error:
        raise ConfigError(f"cannot read the value of '{text[:40]}...': {error}") from error


def merge(model: type[BaseModel], layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay mappings over each other, the later ones on top.

    Where a later layer names another ``kind`` of component, of the lower layers only
    those keys stay that the new kind also has. Where it changes a setting on which it depends
    whether others are read, those that nothing reads any more do not stay either.

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


class Dropped(NamedTuple):
    """A setting of a layer that is gone after merging.

    Attributes:
        path: the setting.
        cause: what took it away, in words that follow "a later one".
    """

    path: str
    cause: str


def dropped(
    model: type[BaseModel], asked: Mapping[str, Any], merged: Mapping[str, Any]
) -> list[Dropped]:
    """The settings of a layer that are gone after merging.

    They are where a layer above names another kind of component, which does not have them, or
    changes a setting so that nothing reads them any more.

    Args:
        model: the model that the layers are for.
        asked: the layer, nested.
        merged: the result of :func:`merge`.
    """
    return list(_dropped(model, asked, merged, "", {}))


def check_effect(
    model: type[BaseModel], asked: Mapping[str, Any], merged: Mapping[str, Any]
) -> None:
    """Check that settings are still there after merging.

    Args:
        model: the model that the layers are for.
        asked: what a user set, nested.
        merged: the result of :func:`merge`.

    Raises:
        ConfigError: a setting is gone (see :func:`dropped`); the message says why.
    """
    for path, cause in dropped(model, asked, merged):
        raise ConfigError(
            f"the setting '{path}' has no effect: a later one {cause}; leave one of them out"
        )


def _dropped(
    model: type[BaseModel] | None,
    asked: Mapping[str, Any],
    merged: Any,
    prefix: str,
    unread_here: Mapping[str, str],
    of_each: type[BaseModel] | None = None,
) -> Iterator[Dropped]:
    """``unread_here`` says why nothing reads certain settings of this group, with dots of groups
    inside it; ``of_each`` is the model of every value, as in :func:`_lay`.
    """
    if not isinstance(merged, Mapping):
        # A value, laid over keys by a later layer: that one is wrong, or null.
        return
    if model is not None and issubclass(model, Component):
        model = _member(model, merged.get("kind"))
    if model is not None:
        causes = {
            name: f"sets {found.deciding(prefix)}, and then nothing reads it"
            for found in unread(model, merged)
            for name in found.names
        }
        unread_here = {**unread_here, **causes}
    for key, value in asked.items():
        path = f"{prefix}{key}"
        if key not in merged:
            kind = f"makes '{prefix[:-1]}' a '{merged.get('kind')}', which does not have it"
            yield Dropped(path, unread_here.get(key, kind))
        elif isinstance(value, Mapping):
            inner, named = (of_each, False) if of_each else _field_model(model, key)
            one, each = (None, inner) if named else (inner, None)
            deeper = {
                name.removeprefix(f"{key}."): cause
                for name, cause in unread_here.items()
                if name.startswith(f"{key}.")
            }
            yield from _dropped(one, value, merged[key], f"{path}.", deeper, each)


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
            # The bare name of a kind is short for a mapping.
            value = {"kind": value} if isinstance(value, str) else value
            below = {"kind": below} if isinstance(below, str) else below
        if isinstance(value, Mapping):
            if below is None and "kind" not in value:
                below = _default_kind(model, key)
            if not isinstance(below, Mapping | None):
                raise ConfigError(f"{prefix}{key}: expected keys and values, got {shown(below)}")
            path = f"{prefix}{key}."
            one, each = (None, inner) if named else (inner, None)
            result[key] = _lay(one, below or {}, value, path, each)
        else:
            result[key] = value
    if model is not None:
        _drop_unread(model, result, high)
    return result


def _drop_unread(model: type[BaseModel], values: dict[str, Any], high: Mapping[str, Any]) -> None:
    """Remove what nothing reads any more since ``high`` lies on top, and is not of ``high``."""
    deciding = {name for condition in conditions_of(model) for name in condition.on}
    if not any(_has(high, name) for name in deciding):
        return
    for found in unread(model, values):
        if any(_has(high, name) for name in found.values):
            for name in found.names:
                # What is off stays: it has no need of being read.
                if _has(values, name) and value_of(values, name) and not _has(high, name):
                    _remove(values, name)


def _has(values: Any, name: str) -> bool:
    first, _, rest = name.partition(".")
    if not isinstance(values, Mapping) or first not in values:
        return False
    return not rest or _has(values[first], rest)


def _remove(values: dict[str, Any], name: str) -> None:
    first, _, rest = name.partition(".")
    if not rest:
        values.pop(first, None)
    elif isinstance(values.get(first), Mapping):
        values[first] = dict(values[first])  # the layer that it comes from stays as it is
        _remove(values[first], rest)


def _default_kind(model: type[BaseModel] | None, key: str) -> dict[str, Any] | None:
    """The kind of a field that holds a component by default: what settings without one are of."""
    if model is None or key not in model.model_fields:
        return None
    default = model.model_fields[key].get_default()
    return {"kind": default.kind} if isinstance(default, Component) else None


def _member(family: type[Component], kind: Any) -> type[Component] | None:
    """The class of a kind; None where there is none, which validating says better."""
    if kind is None and not family._is_family():
        return family
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
