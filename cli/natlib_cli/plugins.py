"""``natlib plugins``."""

from rich.table import Table

from natlib.component import Component, Registry
from natlib.data import Modality
from natlib.encoders import EncoderRecipe, Head
from natlib.objectives import Objective
from natlib.protocols import Protocol
from natlib.solvers import Solver
from natlib.targets import TargetDistribution
from natlib_cli.output import console

__all__ = ["FAMILIES", "plugins"]

FAMILIES: tuple[type[Component], ...] = (
    Modality,
    EncoderRecipe,
    Head,
    Objective,
    TargetDistribution,
    Solver,
    Protocol,
)


def plugins() -> None:
    """List every registered component and the package that it comes from."""
    table = Table()
    for title in ("family", "kind", "from"):
        # What a user would copy stays whole; a narrow terminal folds the last column.
        table.add_column(title, no_wrap=True)
    table.add_column("entry-point group", overflow="fold")
    for family in FAMILIES:
        registry: Registry[Component] = family.registry
        for row in registry.listing():
            table.add_row(registry.noun, row.kind, row.origin, registry.group)
        table.add_section()
    console.print(table)
