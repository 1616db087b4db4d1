"""Text files as a source: each line or paragraph is a sample."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from natlib.data import Source, Split
from natlib.data.files import ChosenNames, NumberedNames
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
    """

    def __init__(self, path: Path, index: LineIndex) -> None:
        self._path = path
        self._index = index
        numbers = NumberedNames(path.name, int(index.lines[-1]) + 1)
        self.names: Sequence[str] = ChosenNames(numbers, index.lines)
        self.labels: Tensor | None = None
        self.classes: list[str] = []

    def __len__(self) -> int:
        return len(self._index.starts)

    def item(self, index: int) -> FileSpan:
        return FileSpan(self._path, int(self._index.starts[index]), int(self._index.ends[index]))

    def digest(self) -> bytes:
        return digest_of([self._index.starts.tobytes(), *excerpts(self)])


class TextFile(Source):
    """A text file; all of it is the training split.

    Args:
        path: the file.
        unit: whether a sample is a line or a paragraph.
    """

    def __init__(self, path: Path, unit: Unit) -> None:
        self._path = path
        self._unit = unit

    def split(self, split: Split, cache: Path | None = None) -> FileTexts | None:
        if split != "train":
            return None
        index = index_lines(self._path, self._unit, cache)
        if not len(index.starts):
            raise DataError(f"{self._path} holds nothing but white space; expected some text")
        return FileTexts(self._path, index)
