"""From what a user calls a source to the source."""

from pathlib import Path

from natlib.data import unknown_source
from natlib.data.table_names import is_table
from natlib.errors import DataError
from natlib_text.line_index import Unit
from natlib_text.sources.base import Source
from natlib_text.sources.docstrings import Docstrings
from natlib_text.sources.folder import TextFolder
from natlib_text.sources.text_file import TextFile

__all__ = ["find_source", "is_path"]

_EXPECTED = "a .txt file, a table (.csv, .tsv, .jsonl, .parquet), a folder of .txt files"


def is_path(source: str | None) -> bool:
    """Whether a source is a path rather than the name of a known set."""
    return source is not None and source != "docstrings"


def find_source(
    source: str | None, unit: Unit, text: str | None, label: str | None, split: str | None
) -> Source:
    """The source of a name or a path.

    Args:
        source: None or ``docstrings``, a text file, a table, or a folder of text files.
        unit: what a sample of a text file is.
        text: column of a table that holds the texts.
        label: column that holds the labels.
        split: column that names the splits.

    Raises:
        DataError: neither an existing path nor a known set, or a column is not there.
    """
    if source is None or not is_path(source):
        return Docstrings()
    path = Path(source).expanduser()
    if path.is_dir():
        return TextFolder(path)
    if path.is_file() and path.suffix.lower() == ".txt":
        return TextFile(path, unit)
    if path.is_file() and is_table(path):
        from natlib_text.sources.table import TextTable

        return TextTable(path, text, label, split)
    if path.exists():
        hint = ", unpack it" if path.suffix.lower() == ".gz" else ", rename or convert it"
        raise DataError(f"the source {source} is another kind of file; expected {_EXPECTED}{hint}")
    raise unknown_source(source, f"{_EXPECTED} or docstrings", ["docstrings"])
