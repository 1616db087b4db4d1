"""What is known about a table of vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from natlib.data.table_format import TableFormat

__all__ = ["TableSettings"]


@dataclass(frozen=True)
class TableSettings:
    """What is known about a table.

    Attributes:
        wanted: columns to use; by default all but those below, and those that count rows.
        ignored: columns to leave out.
        label: the column of labels; by default ``label``, if there is such a column.
        split: the column that names the split; by default ``split``, if there is such a column.
        categorical: columns whose values are categories, whatever they hold.
        numerical: columns whose values are numbers; what is none counts as missing.
        most: largest number of categories of a column.
        form: how the file is written.
    """

    wanted: Sequence[str] | None = None
    ignored: Sequence[str] = ()
    label: str | None = None
    split: str | None = None
    categorical: Sequence[str] = ()
    numerical: Sequence[str] = ()
    most: int = 64
    form: TableFormat = field(default_factory=TableFormat)
