"""What a column of a table holds: numbers or categories, as it is found or as it was fitted."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from natlib.data.table_format import TableFormat
from natlib.data.table_values import as_numbers, as_text, is_text
from natlib.errors import DataError
from natlib_vector.columns import category_of
from natlib_vector.table_settings import TableSettings

__all__ = ["TableColumn"]

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

# A column with more than this share of numbers is meant to hold numbers.
_NUMERIC = 0.5
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
    r"([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?)?"
)
# 1,250 or 12 % or $5
_MARKED = re.compile(r"([$€£] ?)?[+-]?(\d{1,3}([,.' ]\d{3})+|\d+)([.,]\d+)?( ?[%$€£])?")


@dataclass(frozen=True)
class TableColumn:
    """A column as it stands in a file.

    Attributes:
        path: the file.
        name: of the column.
        values: the column.
        form: how the file is written.
        settings: what is known about columns.
    """

    path: Path
    name: str
    values: pa.Array
    form: TableFormat
    settings: TableSettings

    def fit(self, train: Rows) -> tuple[str, ...] | None:
        """The categories in training rows, int64[m]; None for a column of numbers.

        Raises:
            DataError: the column can be read in two ways, or has too many categories.
        """
        if self.name in self.settings.numerical:
            return None
        chosen = self.name in self.settings.categorical
        if not chosen and not is_text(self.values.type):
            return None
        text = self._text()
        found = text.take(pa.array(train)).unique().drop_null().to_pylist()
        if not chosen:
            self._check_meaning(text, found)
        if len(found) > self.settings.most:
            numbers = ", or to data.numerical" if all(map(_is_number, found)) else ""
            raise self._refused(
                f"holds {len(found):,} different texts, more than data.max_categories = "
                f"{self.settings.most}; raise it, or add the column to data.ignore{numbers}"
            )
        return tuple(sorted(found))

    def numbers(self, categories: tuple[str, ...] | None, own: Rows) -> tuple[Numbers, list[str]]:
        """Some rows as numbers, or as numbers of categories; NaN where a value is missing.

        Args:
            categories: the categories; None for a column of numbers.
            own: int64[m], the rows.

        Returns:
            float64[m], and a line about values that count as missing, if there are any.

        Raises:
            DataError: the values are no numbers.
        """
        if categories is not None:
            return self._codes(categories, own)
        lenient = self.name in self.settings.numerical
        try:
            found = as_numbers(self.values, self.form, lenient)[own]
        except DataError as error:
            what = str(error).removeprefix("it ")
            raise self._refused(
                f"{what}, expected numbers; convert it, or add it to data.ignore"
            ) from error
        if not lenient or not is_text(self.values.type):
            return found, []
        return found, self._unknown(self._text().take(pa.array(own)), found, "is no number")

    def _codes(self, categories: tuple[str, ...], own: Rows) -> tuple[Numbers, list[str]]:
        text = self._text().take(pa.array(own))
        encoded = pc.dictionary_encode(text)
        known = [category_of(value, categories) for value in encoded.dictionary.to_pylist()]
        # The last one is for missing values.
        codes = np.array([*(np.nan if code is None else code for code in known), np.nan])
        found = codes[pc.fill_null(encoded.indices, len(known)).to_numpy(zero_copy_only=False)]
        return found, self._unknown(text, found, "did not occur in training")

    def _unknown(self, text: pa.Array, found: Numbers, what: str) -> list[str]:
        odd = text.filter(pa.array(np.isnan(found))).drop_null()
        if not len(odd):
            return []
        more = len(odd.unique()) - 1
        first = f"{odd[0].as_py()!r}" + (f" and {more:,} more" if more else "")
        return [
            f"{self.path}: column '{self.name}': {first} {what}, and counts as missing in "
            f"{len(odd):,} of {len(text):,} rows"
        ]

    def _check_meaning(self, text: pa.Array, found: list[str]) -> None:
        """Refuse texts that may be more than names of categories."""
        if not found:
            return
        if all(_DATE.fullmatch(value) for value in found):
            raise self._refused(
                f"holds dates ({found[0]!r}); make numbers of them, or add it to data.ignore (or "
                "to data.categorical, if each date is a category)"
            )
        odd = [value for value in found if not _is_number(value)]
        if odd and all(_MARKED.fullmatch(value) for value in found):
            raise self._refused(
                f"holds numbers with marks ({odd[0]!r}); remove the marks, or set "
                "data.table.decimal=, if a comma is the decimal mark (or add it to "
                "data.categorical or data.ignore)"
            )
        if odd and len(odd) < _NUMERIC * len(found):
            row = pc.index(text, odd[0]).as_py()
            raise self._refused(
                f"holds numbers, but {odd[0]!r} in row {row}; repair the file, or say what it is: "
                "add it to data.numerical (then this is a missing value), data.categorical or "
                "data.ignore"
            )

    def _text(self) -> pa.Array:
        try:
            return as_text(self.values, self.form.missing_texts)
        except DataError as error:
            raise self._refused(
                f"{str(error).removeprefix('it ')}, expected numbers or text; convert it, or add "
                "it to data.ignore"
            ) from error

    def _refused(self, what: str) -> DataError:
        return DataError(f"{self.path}: column '{self.name}' {what}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
