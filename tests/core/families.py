"""Everything that is registered, so that a new component is tested on arrival."""

import atexit
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from natlib.component import Component
from natlib.data import Modality  # imports every other family
from natlib.objectives import NAT, Combined, Part
from natlib.targets import FromArray, TargetDistribution

__all__ = ["EVERYTHING", "FAMILIES", "MAKERS", "MODALITIES", "changed", "members"]


def _from_array() -> FromArray:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    rows = torch.randn(1000, 128, generator=torch.Generator().manual_seed(0))
    return FromArray.save(rows, Path(folder.name, "targets.npy"))


# How to make one of a kind that has no defaults for all of its fields.
MAKERS: dict[str, Callable[[], Component]] = {
    "from_array": _from_array,
    "combined": lambda: Combined(parts={"nat": Part(objective=NAT())}),
}


def families(root: type[Component] = Component) -> Iterator[type[Component]]:
    for cls in root.__subclasses__():
        if cls._is_family():
            yield cls
        yield from families(cls)


FAMILIES: list[type[Component]] = sorted(set(families()), key=lambda cls: cls.__name__)


def members(family: type[Component]) -> list[Any]:
    """One instance, with default values, of every kind that comes with natlib."""
    kinds = [row.kind for row in family.registry.listing() if row.origin.startswith("natlib")]
    classes = {kind: family.registry.get(kind) for kind in kinds}
    # Other tests of this process may have registered classes of their own.
    ours = {kind: cls for kind, cls in classes.items() if cls.__module__.startswith("natlib")}
    return [MAKERS.get(kind, cls)() for kind, cls in ours.items()]


# All come from entry points; what calls itself natlib's own is one that a test has registered.
MODALITIES = [row.kind for row in Modality.registry.listing() if row.origin != "natlib"]
EVERYTHING: list[Any] = [member for family in FAMILIES for member in members(family)]


def changed(targets: TargetDistribution, **values: Any) -> Any:
    """The same targets with other values; where ``dim`` is that of a file, with another file."""
    dim = values.get("dim", targets.dim)
    if isinstance(targets, FromArray) and dim != targets.dim:
        rows = torch.randn(1000, dim, generator=torch.Generator().manual_seed(0))
        path = targets.path.with_name(f"{dim}.npy")
        targets = FromArray.save(rows, path, normalise=targets.normalise)
    if not targets.seeded:
        values.pop("seed", None)
    return type(targets).model_validate(targets.model_dump() | values)
