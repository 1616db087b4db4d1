"""Everything that is registered, so that a new component is tested on arrival."""

from collections.abc import Iterator
from typing import Any

import natlib.data
import natlib.objectives  # noqa: F401  (imports every other family)
from natlib.component import Component

__all__ = ["EVERYTHING", "FAMILIES", "members"]


def families(root: type[Component] = Component) -> Iterator[type[Component]]:
    for cls in root.__subclasses__():
        if cls._is_family():
            yield cls
        yield from families(cls)


FAMILIES: list[type[Component]] = sorted(set(families()), key=lambda cls: cls.__name__)


def members(family: type[Component]) -> list[Any]:
    """One instance with default values of every kind that comes with natlib."""
    listing = family.registry.listing()
    return [family.registry.get(row.kind)() for row in listing if row.origin.startswith("natlib")]


EVERYTHING: list[Any] = [member for family in FAMILIES for member in members(family)]
