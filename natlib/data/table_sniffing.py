"""Finds separator, quotes, header and decimal mark of a table, and notes what was guessed."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Literal, TextIO

from natlib.data.table_encoding import opened, text_encoding
from natlib.data.table_format import TableFormat
from natlib.data.table_names import TABLE_SUFFIXES, table_format
from natlib.errors import DataError, one_line

__all__ = ["complete_format", "format_of_another", "known_format"]

_BLOCK = 16 << 20
# Characters from the beginning of a file that separator, header and decimal mark are found from;
# less than the longest field that the csv module reads by default.
_SAMPLE = 100_000
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_OTHERS = ",;\t|"
# A first line with one of these is one of names.
_NAMES = {"file", "label", "name", "split", "text"}
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_Rows = list[list[str]]


def known_format(path: Path) -> str:
    """The format of a table by the name of its file.

    Raises:
        DataError: it is called like no table.
    """
    kind = table_format(path)
    if kind is None:
        raise DataError(
            f"{path} is no table; expected a file that ends in {', '.join(TABLE_SUFFIXES)}"
        )
    return kind


def complete_format(path: Path, given: TableFormat | None = None) -> tuple[TableFormat, list[str]]:
    """A format with everything filled in that the kind of file needs, and what was guessed.

    Args:
        path: the table.
        given: what is known.

    Returns:
        The format, and a line for each guess (see :func:`natlib.data.notes_of`).

    Raises:
        DataError: the file cannot be read, a setting has no meaning for its kind, or what the
            file holds can be read in two ways.
    """
    given = given or TableFormat()
    kind = known_format(path)
    _check_meaning(path, kind, given)
    notes: list[str] = []
    if kind == ".parquet":
        return given, notes
    try:
        if given.encoding is None:
            given = given.model_copy(update={"encoding": text_encoding(path, notes)})
        if kind in _SEPARATORS:
            given = _Sniffer(path, _SEPARATORS[kind], given, notes).run()
    except (OSError, EOFError, UnicodeError) as error:
        raise DataError(
            f"{path} cannot be read as a table: {one_line(error)}; repair or convert it, or set "
            "its encoding (data.table.encoding)"
        ) from error
    return given, [f"{path}: {'; '.join(notes)}"] if notes else []


def format_of_another(path: Path, given: TableFormat) -> TableFormat:
    """The format of a table, for another one: only where that file itself does not tell.

    Args:
        path: the other table.
        given: the format of the table that it resembles.
    """
    plain = TableFormat(missing=given.missing)
    if known_format(path) not in _SEPARATORS:
        return plain
    if given.header is False:
        # A single row of numbers tells nothing, and columns of such tables have no names.
        plain = plain.model_copy(update={"header": False})
    try:
        found, _ = complete_format(path, plain)
    except DataError:
        return given
    if given.decimal == "," != found.separator:
        # 1,250 without its neighbours may be either. Numbers with a point are read all the same.
        plain = plain.model_copy(update={"decimal": ","})
    return plain


def _check_meaning(path: Path, kind: str, given: TableFormat) -> None:
    known = {"missing"} if kind == ".parquet" else {"missing", "encoding"}
    for key in type(given).model_fields:
        if kind not in _SEPARATORS and key not in known and getattr(given, key) is not None:
            raise DataError(
                f"data.table.{key} has no meaning for {path}, a {kind} file; leave it out"
            )


class _Sniffer:
    """Separator, quotes, header and decimal mark of a CSV or TSV file."""

    def __init__(self, path: Path, usual: str, given: TableFormat, notes: list[str]) -> None:
        self.path = path
        self.usual = usual
        self.given = given
        self.missing = set(given.missing_texts)
        self.notes = notes

    def run(self) -> TableFormat:
        given = self.given
        with self._text() as file:
            sample = file.read(_SAMPLE)
            whole = not file.read(1)
        separator = given.separator or self._separator(sample, whole)
        quotes = given.quotes
        if quotes is None:
            quotes = self._quotes(separator)
        rows = _records(sample, separator, whole, quotes)
        header, decimal = given.header, given.decimal
        if header is None:
            header = self._header(rows)
        if decimal is None:
            decimal = self._decimal(rows[1:] if header else rows, separator)
        found = {"separator": separator, "quotes": quotes, "header": header, "decimal": decimal}
        return given.model_copy(update=found)

    def _text(self) -> TextIO:
        return io.TextIOWrapper(
            opened(self.path), self.given.encoding, errors="surrogateescape", newline=""
        )

    def _separator(self, sample: str, whole: bool) -> str:
        if re.match(r"sep=.[\r\n]", sample):
            raise DataError(
                f"{self.path}: its first line, {sample[:5]!r}, is for spreadsheets; remove it"
            )
        found = []
        for separator in _OTHERS:
            widths = {len(row) for row in _records(sample, separator, whole)}
            if len(widths) == 1 and widths != {1}:
                found.append(separator)
        if len(found) > 1 and len(_records(sample, found[0], whole)) > 1:
            raise DataError(
                f"{self.path}: values may be separated by {found[0]!r} or by {found[1]!r}; say "
                "which (data.table.separator)"
            )
        if not found:
            # Rows differ in length, or there is one column: as the first line is.
            first = next(iter(_records(sample, "\n", whole)), [""])[0]
            if self.usual in first or not any(other in first for other in _OTHERS):
                return self.usual
            found = [max(_OTHERS, key=first.count)]
            if len({len(row) for row in _records(sample, found[0], whole)}) > 2:
                return self.usual
        if found[0] != self.usual:
            self.notes.append(f"values are separated by {found[0]!r} (data.table.separator)")
        return found[0]

    def _quotes(self, separator: str) -> bool:
        """Whether quotes are marks around values, rather than characters like others.

        A quote that nothing closes would swallow all rows up to the next one.
        """
        with opened(self.path) as file:
            if not any(b'"' in block for block in iter(lambda: file.read(_BLOCK), b"")):
                return True
        with _long_fields():
            quoted, fault, line = self._read(separator, csv.QUOTE_MINIMAL)
            # Texts hold commas: that lines fit by chance is no sign then.
            if fault is None and separator != "\t":
                return True
            widths: set[int] = set()
            lines, _, _ = self._read(separator, csv.QUOTE_NONE, lambda row: widths.add(len(row)))
        literal = len(widths) == 1 and widths != {1}
        if fault is None:
            if not literal or lines == quoted:
                return True
            raise DataError(
                f"{self.path}: quotes may enclose values of several lines ({quoted:,} rows) or be "
                f"characters like others ({lines:,} rows); say which (data.table.quotes=true or "
                "false)"
            )
        if not literal:
            if "unexpected end" in fault:
                raise DataError(
                    f"{self.path}: a quote in line {line} is never closed; repair it, or set "
                    "data.table.quotes=false if quotes are characters like others"
                )
            self.notes.append(f"line {line} holds quotes inside a quoted value")
            return True
        self.notes.append(
            "quotes do not enclose values, so they are read as they are (data.table.quotes)"
        )
        return False

    def _read(
        self,
        separator: str,
        quoting: Literal[0, 3],
        look: Callable[[list[str]], object] | None = None,
    ) -> tuple[int, str | None, int]:
        """How many rows there are; what is wrong, and in the row that begins in which line."""
        count, line = 0, 1
        with self._text() as file:
            reader = csv.reader(file, delimiter=separator, quoting=quoting, strict=True)
            try:
                for row in reader:
                    line = reader.line_num + 1
                    if row:
                        count += 1
                        if look is not None:
                            look(row)
            except csv.Error as error:
                return count, str(error), line
        return count, None, line

    def _header(self, rows: _Rows) -> bool:
        if len(rows) < 2 or _NAMES & {cell.strip().lower() for cell in rows[0]}:
            return True
        first = [cell.strip() for cell in rows[0]]
        repeated, numbers = False, []
        for cell, below in zip(first, self._columns(rows[1:]), strict=False):
            if cell.lower() in self.missing or not below:
                continue
            if not all(_NUMBER.fullmatch(value) for value in below):
                repeated = repeated or below.count(cell) > 1
            elif _NUMBER.fullmatch(cell):
                numbers.append(cell)
            else:
                return True  # a word over numbers is their name
        if not numbers and repeated:
            raise DataError(
                f"{self.path}: the first line, {_shown(first)}, may hold names or values; say "
                "which (data.table.header=true or false)"
            )
        if not numbers:
            return True
        below = [cell for cell in rows[1] if _NUMBER.fullmatch(cell.strip())]
        counts = _counts(numbers) and (numbers[0] == "0" or 1900 <= int(numbers[0]) <= 2100)
        if counts and not repeated and not _counts(below):
            self.notes.append(
                f"the first line, {_shown(first)}, holds names and not numbers (data.table.header)"
            )
            return True
        self.notes.append(
            f"the first line, {_shown(first)}, holds values and not names, so columns are called "
            "column_1, ... (data.table.header)"
        )
        return False

    def _decimal(self, rows: _Rows, separator: str) -> Literal[".", ","]:
        if separator == ",":
            return "."
        for below in self._columns(rows):
            marked = [value for value in below if "," in value]
            if (
                marked
                and all(_DECIMAL_COMMA.fullmatch(v) or _WHOLE.fullmatch(v) for v in below)
                and not all(_THOUSANDS.fullmatch(value) for value in marked)
            ):
                self.notes.append(f"numbers such as {marked[0]} have a comma (data.table.decimal)")
                return ","
        return "."

    def _columns(self, rows: _Rows) -> Iterator[list[str]]:
        """The values of each column that are not missing."""
        for number in range(max((len(row) for row in rows), default=0)):
            cells = [row[number].strip() for row in rows if number < len(row)]
            yield [cell for cell in cells if cell.lower() not in self.missing]


def _records(sample: str, separator: str, whole: bool, quotes: bool = True) -> _Rows:
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    if separator == "\n":  # lines as they are
        return [[line] for line in islice(sample.splitlines(), 1)]
    lines = io.StringIO(sample, newline="")
    rows = [row for row in csv.reader(lines, delimiter=separator, quoting=quoting) if row]  # type: ignore[arg-type]
    # The last one may be cut off.
    return rows if whole or len(rows) < 2 else rows[:-1]


def _counts(cells: Sequence[str]) -> bool:
    """Whether each is a whole number, one more than that before: names may be, and years."""
    if len(cells) < 2 or not all(_WHOLE.fullmatch(cell.strip()) for cell in cells):
        return False
    found = [int(cell) for cell in cells]
    return all(after - before == 1 for before, after in pairwise(found))


def _shown(cells: Sequence[str]) -> str:
    text = ", ".join(cells)
    return text if len(text) <= 60 else text[:59] + "…"


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(before)
