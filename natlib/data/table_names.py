"""Names of files that are tables, and of columns that are indices."""

import re
from pathlib import Path

__all__ = ["TABLE_SUFFIXES", "is_index_name", "is_table", "table_format"]

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""How the names of tables end; but for parquet, ``.gz`` may follow."""

# What pandas calls an index that it writes to a CSV file, reads from one, writes to parquet.
_INDEX = re.compile(r"\s*|Unnamed: \d+(\.\d+)?|__index_level_\d+__")


def table_format(path: Path) -> str | None:
    """Which of :data:`TABLE_SUFFIXES` a file has; None for another kind of file."""
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    suffix = next((suffix for suffix in TABLE_SUFFIXES if plain.endswith(suffix)), None)
    return None if suffix == ".parquet" and plain != name else suffix


def is_table(path: Path) -> bool:
    """Whether a file is called like a table that :func:`natlib.data.tables.open_table` reads."""
    return table_format(path) is not None


def is_index_name(name: str) -> bool:
    """Whether a column is called like an index of pandas."""
    return _INDEX.fullmatch(name) is not None
