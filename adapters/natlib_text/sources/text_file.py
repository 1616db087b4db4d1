"""Text files as a source: each line or paragraph is a sample."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from natlib.data import Source, Split
from natlib.data.files import ChosenNames, NumberedNames
from natlib.data.table_encoding import text_encoding
from natlib.errors import DataError
from natlib_text.decoding import FileSpan
from natlib_text.line_index import LineIndex, Unit, index_lines
from natlib_text.sources.digests import digest_of, excerpts

__all__ = ["FileTexts", "TextFile"]


class FileTexts:
    """Lines or paragraphs, read from the file on demand.

    Args:
        path: the file.
        index: their positions.
        encoding: that of the file.
        notes: what was guessed about it.
    """

    def __init__(
        self, path: Path, index: LineIndex, encoding: str, notes: Sequence[str] = ()
    ) -> None:
        self._encoding = encoding
        self.notes = list(notes)
        self._path = path
        self._index = index
        numbers = NumberedNames(path.name, int(index.lines[-1]) + 1)
        self.names: Sequence[str] = ChosenNames(numbers, index.lines)
        self.labels: Tensor | None = None
        self.classes: list[str] = []

    def __len__(self) -> int:
        return len(self._index.starts)

    def item(self, index: int) -> FileSpan:
        start, end = int(self._index.starts[index]), int(self._index.ends[index])
        return FileSpan(self._path, start, end, self._encoding)

    def digest(self) -> bytes:
        return digest_of([self._index.starts.tobytes(), *excerpts(self)])


class TextFile(Source):
    """A text file; all of it is the training split.

    Args:
        path: the file.
        unit: whether a sample is a line or a paragraph.
        encoding: that of the file; by default it is found.
    """

    def __init__(self, path: Path, unit: Unit, encoding: str | None = None) -> None:
        self._path = path
        self._unit = unit
        self._encoding = encoding

    def split(self, split: Split, cache: Path | None = None) -> FileTexts | None:
        if split != "train":
            return None
        notes: list[str] = []
        encoding = self._encoding or _encoding(self._path, notes)
        # Lines are found in the bytes.
        if "a\n".encode(encoding.removesuffix("-sig")) != b"a\n":
            raise DataError(
                f"{self._path} is {encoding}, of which single lines cannot be read; convert it to "
                f"UTF-8 (iconv -f {encoding} -t utf-8, say)"
            )
        index = index_lines(self._path, self._unit, cache)
        if not len(index.starts):
            raise DataError(f"{self._path} holds nothing but white space; expected some text")
        return FileTexts(self._path, index, encoding, notes)


def _encoding(path: Path, notes: list[str]) -> str:
    found: list[str] = []
    try:
        encoding = text_encoding(path, found, "data.encoding")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    notes += [f"{path}: {note}" for note in found]
    return encoding
