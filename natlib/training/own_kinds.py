"""Components that only the program that trains knows, so that another one cannot load the run."""

from collections.abc import Iterator

from natlib.component import Component
from natlib.groups import settings_within
from natlib.training.config import RunConfig

__all__ = ["own_kinds"]


def own_kinds(config: RunConfig) -> Iterator[str]:
    """A line for each component that neither natlib nor an installed plug-in registers."""
    said = set()
    for _, component in settings_within(config):
        cls = type(component)
        if not isinstance(component, Component) or cls in said:
            continue
        said.add(cls)
        registry = component.registry
        if not registry.is_installed(component.kind):
            where = "this program" if cls.__module__ == "__main__" else f"module {cls.__module__}"
            yield (
                f"The {registry.noun} '{component.kind}' is defined in {where}: to load or resume "
                f"the run elsewhere, natlib commands included, install it with an entry point in "
                f"the group {registry.group}; in Python, import its module first"
            )
