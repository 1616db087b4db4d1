"""Open the source of texts that a user names."""

from pathlib import Path

from natlib.data import Source, name_note, plugin_source, unknown_source
from natlib.data.files import Folder
from natlib.data.table_format import TableFormat
from natlib.data.table_names import is_table
from natlib.errors import DataError
from natlib_text.line_index import Unit
from natlib_text.sources.docstrings import Docstrings
from natlib_text.sources.text_file import TextFile

__all__ = ["NAMES", "find_source"]

NAMES = ("docstrings",)
"""Sources that have a name of their own."""

_EXPECTED = "a .txt file, a table (.csv, .tsv, .jsonl, .parquet), a folder of .txt files"


def find_source(
    source: str | None,
    unit: Unit,
    text: str | None,
    label: str | None,
    split: str | None,
    form: TableFormat | None = None,
    encoding: str | None = None,
) -> Source:
    """Open a source by its name or path.

    A name wins here; a user's folder of that name has become an absolute path before, see
    :func:`natlib.data.stable_source`.

    Args:
        source: None or ``docstrings``, what a plug-in recognises, a text file, a table, or a folder
            of text files.
        unit: what a sample of a text file is.
        text: column of a table that holds the texts.
        label: column that holds the labels.
        split: column that names the splits.
        form: how a table is written.
        encoding: that of a text file; by default it is found.

    Raises:
        DataError: the source is neither an existing path nor a known name, or lacks a column.
    """
    if source is None or source in NAMES:
        return Docstrings()
    plugin: Source | None = plugin_source("text", source)
    if plugin is not None:
        return plugin
    path = Path(source).expanduser()
    if path.is_dir():
        return Folder(path, ("txt",), "texts", notes=name_note(path, NAMES))
    if path.is_file() and path.suffix.lower() == ".txt":
        return TextFile(path, unit, encoding)
    if path.is_file() and is_table(path):
        from natlib_text.sources.table import TextTable

        return TextTable(path, text, label, split, form)
    if path.exists():
        hint = ", unpack it" if path.suffix.lower() == ".gz" else ", rename or convert it"
        raise DataError(f"the source {source} is another kind of file; expected {_EXPECTED}{hint}")
    raise unknown_source(source, f"{_EXPECTED} or docstrings", NAMES)
