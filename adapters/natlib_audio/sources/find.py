"""Open the source of sounds that a user names."""

from pathlib import Path

from natlib.data import Source, name_note, plugin_source, unknown_source
from natlib.data.files import Folder
from natlib.data.table_format import TableFormat
from natlib.data.table_names import TABLE_SUFFIXES, is_table
from natlib.errors import DataError
from natlib_audio.decoding import EXTENSIONS, UNAVAILABLE
from natlib_audio.sources.notes import Notes

__all__ = ["NAMES", "find_source"]

NAMES = ("notes",)
"""Sources that have a name of their own."""


def find_source(source: str | None, labels: str | None, form: TableFormat | None = None) -> Source:
    """Open a source by its name or path.

    A name wins here; a user's folder of that name has become an absolute path before, see
    :func:`natlib.data.stable_source`.

    Args:
        source: None or ``notes``, what a plug-in recognises, or a folder.
        labels: a table of labels for the files of a folder, or None.
        form: how that table is written.

    Raises:
        DataError: the source is neither an existing folder nor a known name, or the table of
            labels cannot be used.
    """
    if source is None or source in NAMES:
        return Notes()
    plugin: Source | None = plugin_source("audio", source)
    if plugin is not None:
        if labels is not None:
            raise DataError(
                f"data.labels is for folders of sounds, and a plug-in reads {source}; "
                "leave data.labels out"
            )
        return plugin
    path = Path(source).expanduser()
    if path.is_dir():
        if labels is None:
            return Folder(path, EXTENSIONS, "sounds", UNAVAILABLE, name_note(path, NAMES))
        table = Path(labels).expanduser()
        if not is_table(table) or not table.is_file():
            what = "is no table" if table.is_file() else "does not exist"
            raise DataError(
                f"data.labels: {labels} {what}; expected a file that ends in "
                f"{', '.join(TABLE_SUFFIXES)}, with the columns 'file' and 'label'"
            )
        from natlib_audio.sources.labels import LabelledFolder

        return LabelledFolder(path, table, EXTENSIONS, form)
    expected = f"a folder of sounds ({', '.join(EXTENSIONS)}) or 'notes'"
    if path.exists():
        raise DataError(f"the source {source} is a file; expected {expected}")
    raise unknown_source(source, expected, NAMES)
