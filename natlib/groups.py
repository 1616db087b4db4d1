"""Groups of settings inside each other: those of a configuration, and what raw values will be."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from natlib.errors import ConfigError
from natlib.registry import Registry

__all__ = ["Group", "group_of", "nearest_groups", "settings_within"]

# A part of a combined objective lies three levels under it, and has levels of its own.
_DEPTH = 6


class Group(NamedTuple):
    """A group of settings, or a component.

    Attributes:
        path: dotted keys, from where the search began.
        model: its class; the family, where no kind is named.
        values: what is given for it.
    """

    path: str
    model: type[BaseModel]
    values: Mapping[str, Any]


def group_of(path: str, model: type[BaseModel], given: Any) -> Group | None:
    """The group that a value will be validated as.

    Args:
        path: of the value.
        model: what the field is annotated with: a group, or a family of components.
        given: an instance, a mapping, the name of a kind, or nothing useful.

    Returns:
        None where the value names an unknown kind, which its own error says better.
    """
    if isinstance(given, BaseModel):
        return Group(path, type(given), dict(given))
    values: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    registry: Registry[Any] | None = getattr(model, "registry", None)
    kind = given if isinstance(given, str) else values.get("kind")
    if registry is not None and isinstance(kind, str):
        try:
            return Group(path, registry.get(kind), values)
        except ConfigError:
            return None
    return Group(path, model, values)


def nearest_groups(group: Group, key: str) -> list[Group]:
    """The groups with a key: this one, or else those inside it that are the fewest levels down."""
    level = [group]
    for _ in range(_DEPTH):
        found = [one for one in level if key in one.model.model_fields]
        if found:
            return found
        level = [inner for outer in level for inner in _inside(outer)]
    return []


def settings_within(value: Any, prefix: str = "") -> Iterator[tuple[str, BaseModel]]:
    """All groups of a validated configuration, itself first, with their paths (ending in a dot)."""
    if isinstance(value, BaseModel):
        yield prefix, value
        value = dict(value)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from settings_within(inner, f"{prefix}{name}.")
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from settings_within(inner, f"{prefix}{number}.")


def _inside(group: Group) -> Iterator[Group]:
    prefix = f"{group.path}." if group.path else ""
    for name, field in group.model.model_fields.items():
        given = group.values.get(name, field.get_default())
        annotation = field.annotation
        for option in (annotation, *get_args(annotation)):
            if not (isinstance(option, type) and issubclass(option, BaseModel)):
                continue
            parts = {name: given}
            if get_origin(annotation) is dict:
                # A mapping from names to groups: the parts of a combined objective.
                named = given if isinstance(given, Mapping) else {}
                parts = {f"{name}.{label}": value for label, value in named.items()}
            for path, value in parts.items():
                inner = group_of(f"{prefix}{path}", option, value)
                if inner is not None:
                    yield inner
