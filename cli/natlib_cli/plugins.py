"""``natlib plugins``."""

from rich.table import Table

from natlib.families import FAMILIES, MODALITIES, source_plugins
from natlib_cli.output import console

__all__ = ["plugins"]


def plugins() -> None:
    """List every registered component and source, and the package that it comes from."""
    table = Table()
    for title in ("family", "kind", "from"):
        # What a user would copy stays whole; a narrow terminal folds the last column.
        table.add_column(title, no_wrap=True)
    table.add_column("entry-point group", overflow="fold")
    for registry in FAMILIES:
        for row in registry.listing():
            table.add_row(registry.noun, row.kind, row.origin, registry.group)
        table.add_section()
    for modality in MODALITIES.kinds():
        sources = source_plugins(modality)
        for row in sources.listing():
            table.add_row(f"source ({modality})", row.kind, row.origin, sources.group)
    console.print(table)
