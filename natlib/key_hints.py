"""Where a key that is not known here would be known: what an error says of it."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from natlib.errors import ConfigError
from natlib.registry import Registry, nearest

__all__ = ["Hint", "key_hint"]

# A part of a combined objective lies three levels under it, and has levels of its own.
_DEPTH = 6
# As 'width' and 'widths' are: a slip of the fingers.
_NEARLY = 0.8


class Hint(NamedTuple):
    """What an error says of an unknown key.

    Attributes:
        words: a text; ``{}`` stands for the paths.
        paths: keys that may have been meant, beginning at the group.
    """

    words: str
    paths: Sequence[str] = ()

    def text(self, group: str = "") -> str:
        """The hint, where a group has this path, with a dot behind it."""
        return self.words.format(" or ".join(f"'{group}{path}'" for path in self.paths))


def key_hint(model: type[BaseModel], values: Mapping[str, Any], key: str) -> Hint:
    """What to say of a key that a group of settings does not have.

    The same key in a group inside this one; or a key of this group that is nearly the same; or
    other kinds of the same family that have the key, where all of them are natlib's own; or else
    the nearest key of this group.

    Args:
        model: the group.
        values: what is given for it, so that the kinds of its components are known.
        key: the unknown key.
    """
    inside = _inside(model, values, key)
    if inside:
        return Hint("did you mean {}?", inside)
    if get_close_matches(key, model.model_fields, n=1, cutoff=_NEARLY):
        return Hint(nearest(key, model.model_fields))
    return _of_another_kind(model, key) or Hint(nearest(key, model.model_fields))


def _inside(model: type[BaseModel], values: Mapping[str, Any], key: str) -> list[str]:
    """Paths of a key in the groups inside a group; those of the nearest level."""
    level: list[tuple[str, type[BaseModel], Mapping[str, Any]]] = [("", model, values)]
    for _ in range(_DEPTH):
        level = [
            (f"{path}{name}.", inner, given)
            for path, outer, around in level
            for name, inner, given in _groups(outer, around)
        ]
        found = [f"{path}{key}" for path, inner, _ in level if key in inner.model_fields]
        if found:
            return found
    return []


def _groups(
    model: type[BaseModel], values: Mapping[str, Any]
) -> Iterator[tuple[str, type[BaseModel], Mapping[str, Any]]]:
    """Name, model and values of each group of settings in the fields of a group."""
    for name, field in model.model_fields.items():
        given = values.get(name, field.get_default(call_default_factory=False))
        annotation = field.annotation
        for option in (annotation, *get_args(annotation)):
            if not (isinstance(option, type) and issubclass(option, BaseModel)):
                continue
            if get_origin(annotation) is not dict:
                yield from _group(name, option, given)
            elif isinstance(given, Mapping):
                for label, value in given.items():
                    yield from _group(f"{name}.{label}", option, value)


def _group(
    name: str, model: type[BaseModel], given: Any
) -> Iterator[tuple[str, type[BaseModel], Mapping[str, Any]]]:
    values: Mapping[str, Any] = {}
    if isinstance(given, BaseModel):
        model, values = type(given), dict(given)
    elif isinstance(given, Mapping):
        values = given
    registry: Registry[Any] | None = getattr(model, "registry", None)
    if registry is not None and not isinstance(given, BaseModel):
        kind = given if isinstance(given, str) else values.get("kind")
        try:
            model = registry.get(kind) if isinstance(kind, str) else model
        except ConfigError:  # an unknown kind, which its own error says better
            return
    yield name, model, values


def _of_another_kind(model: type[BaseModel], key: str) -> Hint | None:
    registry: Registry[Any] | None = getattr(model, "registry", None)
    kind = model.model_fields["kind"].default if registry is not None else None
    if registry is None or kind not in registry.own:
        return None
    others = [k for k in sorted(registry.own) if key in registry.get(k).model_fields]
    named = " and ".join(f"'{other}'" for other in others)
    text = f"it is a setting of the {registry.noun} {named}, and not of '{kind}'"
    return Hint(f"{text}; change the kind, or leave it out") if others else None
