"""From what a user calls a source to the source."""

from pathlib import Path

from natlib.data import unknown_source
from natlib.data.files import Folder
from natlib.data.table_names import TABLE_SUFFIXES, is_table
from natlib.errors import DataError
from natlib_audio.decoding import EXTENSIONS
from natlib_audio.sources.base import Source
from natlib_audio.sources.notes import Notes

__all__ = ["find_source", "is_path"]


def is_path(source: str | None) -> bool:
    """Whether a source is a path rather than the default."""
    return source not in (None, "notes")


def find_source(source: str | None, labels: str | None) -> Source:
    """The source of a name or a path; ``./notes`` is a folder of that name.

    Args:
        source: None or ``notes``, or a folder.
        labels: a table of labels, or None.

    Raises:
        DataError: neither an existing folder nor ``notes``, or the table cannot be used.
    """
    if source is None or source == "notes":
        if labels is not None:
            raise DataError("the synthesised notes have labels; leave data.labels out")
        return Notes()
    path = Path(source).expanduser()
    if path.is_dir():
        if labels is None:
            return Folder(path, EXTENSIONS, "sounds")
        table = Path(labels).expanduser()
        if not is_table(table) or not table.is_file():
            what = "is no table" if table.is_file() else "does not exist"
            raise DataError(
                f"data.labels: {labels} {what}; expected a file that ends in "
                f"{', '.join(TABLE_SUFFIXES)}, with the columns 'file' and 'label'"
            )
        from natlib_audio.sources.labels import LabelledFolder

        return LabelledFolder(path, table, EXTENSIONS)
    expected = f"a folder of sounds ({', '.join(EXTENSIONS)}) or 'notes'"
    if path.exists():
        raise DataError(f"the source {source} is a file; expected {expected}")
    raise unknown_source(source, expected, ["notes"])
