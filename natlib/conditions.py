"""Settings that are read for some values of other settings only.

Where such settings make up a kind of their own, a component is the better form. A condition is for
those that do not: the strength of an operation whose probability is 0, or the column of a table
where the source is a folder.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

__all__ = ["Condition", "Unread", "conditions_of", "positive", "unread", "value_of"]


class Condition(NamedTuple):
    """Some settings of a group are read only if others of the group have certain values.

    Whoever sets one of them where nothing reads it gets an error, unless what is set is 0, false
    or null, which turns something off that is off anyway.

    Attributes:
        settings: what is read on this condition; a dotted name is of a group inside the group.
        on: the settings that decide, likewise.
        holds: called with the values of these; whether the others are read.
        remedy: what to do so that they are, ``"set {crop} to resized"``; a name in braces is
            replaced by the full path of a setting in ``on``.
    """

    settings: tuple[str, ...]
    on: tuple[str, ...]
    holds: Callable[..., bool]
    remedy: str


class Unread(NamedTuple):
    """Settings of a group that nothing reads.

    Attributes:
        names: as in the condition.
        values: what decides, and its values.
        remedy: as in the condition.
    """

    names: tuple[str, ...]
    values: Mapping[str, Any]
    remedy: str

    def deciding(self, group: str = "") -> str:
        """What decides, as in ``jitter to 0``, for a group at this path (ending in a dot)."""
        return _listed([f"{group}{name} to {_shown(v)}" for name, v in self.values.items()])

    def text(self, group: str = "") -> str:
        """One line for an error, for a group at this path (ending in a dot)."""
        names = _listed([group + name for name in self.names])
        are, them = ("are", "them") if len(self.names) > 1 else ("is", "it")
        values = _listed([f"{group}{name} is {_shown(v)}" for name, v in self.values.items()])
        remedy = self.remedy
        for name in self.values:
            remedy = remedy.replace(f"{{{name}}}", group + name)
        return (
            f"{names} {are} set, and nothing reads {them} where {values}; leave {them} out, or "
            f"{remedy}"
        )


def positive(value: Any) -> bool:
    """Whether an operation with this probability, strength or number is on."""
    return value is None or value > 0


def conditions_of(model: type[BaseModel]) -> Iterator[Condition]:
    """The conditions of a group, with those of the classes that it is derived from."""
    for cls in model.__mro__:
        yield from cls.__dict__.get("conditions", ())


def unread(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[Unread]:
    """The settings of a group that nothing reads.

    Args:
        model: the group.
        values: its values, which may be invalid; defaults stand for those that are missing.
    """
    for condition in conditions_of(model):
        try:
            given = {name: _given(model, values, name) for name in condition.on}
            holds = condition.holds(*given.values())
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # invalid, which validating says better
        if not holds:
            yield Unread(condition.settings, given, condition.remedy)


def value_of(group: Any, name: str) -> Any:
    """A setting of a group, which may be a mapping; with dots, of a group inside."""
    for part in name.split("."):
        group = group[part] if isinstance(group, Mapping) else getattr(group, part)
    return group


def _given(model: type[BaseModel], values: Mapping[str, Any], name: str) -> Any:
    """What is given for a setting, or else its default."""
    first, _, rest = name.partition(".")
    value = values[first] if first in values else model.model_fields[first].get_default()
    return value_of(value, rest) if rest else value


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, str) else str(value)
