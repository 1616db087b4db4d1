"""What an error suggests for an unknown key."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel

from natlib.groups import Group, nearest_groups
from natlib.registry import Registry, nearest

__all__ = ["Hint", "key_hint"]

# Similar enough to be a typing error, as 'width' and 'widths' are.
_NEARLY = 0.8


class Hint(NamedTuple):
    """What an error says of an unknown key.

    Attributes:
        words: a text; the paths replace ``{}``.
        paths: keys that may have been meant, beginning at the group.
    """

    words: str
    paths: Sequence[str] = ()

    def text(self, group: str = "") -> str:
        """The hint with full paths, for a group at this path (ending in a dot)."""
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
    inside = nearest_groups(Group("", model, values), key)
    if inside:
        return Hint("did you mean {}?", [f"{group.path}.{key}" for group in inside])
    if get_close_matches(key, model.model_fields, n=1, cutoff=_NEARLY):
        return Hint(nearest(key, model.model_fields))
    return _of_another_kind(model, key) or Hint(nearest(key, model.model_fields))


def _of_another_kind(model: type[BaseModel], key: str) -> Hint | None:
    registry: Registry[Any] | None = getattr(model, "registry", None)
    kind = model.model_fields["kind"].default if registry is not None else None
    if registry is None or kind not in registry.own:
        return None
    others = [k for k in sorted(registry.own) if key in registry.get(k).model_fields]
    named = " and ".join(f"'{other}'" for other in others)
    text = f"it is a setting of the {registry.noun} {named}, and not of '{kind}'"
    return Hint(f"{text}; change the kind, or leave it out") if others else None
