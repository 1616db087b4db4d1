"""How a table is written in a file: settings, which natlib.data.table_sniffing fills in."""

from typing import Literal, Self

from pydantic import Field, model_validator

from natlib.component import Settings

__all__ = ["MISSING", "TableFormat"]

MISSING = (
    "", "?", "-", "--", "\u2013", "\u2014", ".", "na", "n/a", "n.a.", "<na>", "#na", "#n/a",
    "#n/a n/a", "nan", "-nan", "null", "none", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
)  # fmt: skip
"""Texts that mean a missing value by default, in lower case."""


class TableFormat(Settings):
    """How a table is written in its file. What is not set is found from the file, and said."""

    encoding: str | None = None
    """Encoding of a text file: ``utf-8``, ``cp1252``, ``utf-16``, or another that Python knows."""
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    """Character between two values of a CSV or TSV file."""
    header: bool | None = None
    """Whether a CSV or TSV file begins with a line of names. Without one, columns are called
    ``column_1``, ``column_2``, ..."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark of a CSV or TSV file."""
    quotes: bool | None = None
    """Whether values of a CSV or TSV file may be quoted (``"``), so that they may hold separators
    and ends of lines; otherwise quotes are characters like others."""
    missing: tuple[str, ...] | None = None
    """Texts that mean a missing value, in upper or lower case. By default an empty text, ``?``,
    ``-``, ``NA``, ``NaN``, ``null``, ``None`` and the like."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.separator is not None and (
            not self.separator.isascii() or self.separator in '"\r\n'
        ):
            raise ValueError(f"separator {self.separator!r} is no ASCII character to separate by")
        if self.separator == self.decimal == ",":
            raise ValueError("separator and decimal are both ','; set one of them to another")
        if self.encoding is not None:
            from natlib.data.table_encoding import check_encoding

            check_encoding(self.encoding)
        return self

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """Texts that mean a missing value, in lower case and without white space around them."""
        given = MISSING if self.missing is None else self.missing
        return tuple(text.strip().lower() for text in given)
