"""Values of a column as text and as numbers, alike whatever the file and its types."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from natlib.data.table_format import TableFormat
from natlib.errors import DataError, one_line

__all__ = ["as_numbers", "as_text", "floats", "is_text", "names_in", "number_text", "one_array"]

_WORDS = {"true": 1.0, "false": 0.0}


def one_array(values: pa.ChunkedArray) -> pa.Array:
    """The values of a column without its chunks."""
    array = values.combine_chunks()
    # What combine_chunks returns depends on the version.
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def number_text(value: float) -> str:
    """A number as text; a whole one without a fraction, as it stands in most files."""
    return str(int(value)) if value.is_integer() else repr(value)


def as_text(values: pa.Array, missing: Sequence[str]) -> pa.Array:
    """Values as text without white space around it, in the form NFC, null where one is missing.

    Args:
        values: of any type but lists and structures.
        missing: texts that mean a missing value, in lower case.

    Raises:
        DataError: there is no text for such values, or bytes that are no UTF-8.
    """
    kind = values.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = floats(values).tolist()
        return pa.array([None if n != n else number_text(n) for n in numbers], pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise DataError(f"it holds {kind}")
    try:
        text = values.cast(pa.string())
        if not is_text(kind):
            return text
        text.validate(full=True)
        # The same text may be written with other code points: on a Mac, say.
        trimmed = pc.utf8_trim_whitespace(pc.utf8_normalize(text, form="NFC"))
    except pa.ArrowException as error:
        raise DataError(f"it cannot be read as text: {one_line(error)}") from error
    nothing = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(missing, pa.string()))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), trimmed)


def names_in(values: pa.ChunkedArray) -> list[str]:
    """The values of a column as names of files, which need not be UTF-8."""
    if not is_text(values.type):
        return [str(value) for value in values.to_pylist()]
    found = values.cast(pa.binary()).to_pylist()
    return ["" if name is None else name.decode("utf-8", "surrogateescape") for name in found]


def as_numbers(
    values: pa.Array, form: TableFormat, lenient: bool = False
) -> npt.NDArray[np.float64]:
    """Values as numbers, NaN where one is missing; a truth value is 1 or 0.

    Args:
        values: numbers, truth values, or text of these.
        form: how the table is written.
        lenient: whether a text that is no number is a missing value.

    Raises:
        DataError: a text is no number, or the values are of a type that has none.
    """
    if not is_text(values.type):
        try:
            return floats(values)
        except pa.ArrowException as error:
            raise DataError(f"it holds {values.type}") from error
    text = as_text(values, form.missing_texts)
    if form.decimal == ",":
        text = pc.replace_substring(text, ",", ".")
    try:
        return floats(text)
    except pa.ArrowException:
        pass
    known: dict[Any, float] = {None: float("nan")}
    for value in text.unique().drop_null().to_pylist():
        number = _number(value)
        if number is None and not lenient:
            raise DataError(f"it holds {value!r} in row {pc.index(text, value).as_py()}")
        known[value] = float("nan") if number is None else number
    return np.array([known[value] for value in text.to_pylist()])


def floats(values: pa.Array) -> npt.NDArray[np.float64]:
    """As float64, NaN for null."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    found: npt.NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy(
        zero_copy_only=False
    )
    return found


def _number(text: str) -> float | None:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return float(pc.cast(pa.scalar(text), pa.float64()).as_py())
    except pa.ArrowException:
        return None
