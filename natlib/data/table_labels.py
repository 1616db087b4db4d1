"""Labels in a column of a table."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from natlib.data.labels import encode_labels
from natlib.data.table_values import as_text, floats, is_text, one_array
from natlib.errors import DataError

__all__ = ["table_labels"]

# Beyond this, neighbours are one float.
_LARGEST = 2.0**53


def table_labels(
    values: pa.ChunkedArray, missing: Sequence[str], where: str
) -> tuple[Tensor, list[str], list[str]]:
    """Labels as numbers.

    Whole numbers are in their own order, and -1 means that there is no label; everything else is
    text, in alphabetical order.

    Args:
        values: the column.
        missing: texts that mean that there is no label, in lower case.
        where: file and column, for messages.

    Returns:
        int64[n], -1 where there is no label; the classes 0, 1, ...; and a line for each kind of
        value that was taken for no label (see :func:`natlib.data.notes_of`).

    Raises:
        DataError: the values are no labels, or can be read in two ways.
    """
    array = one_array(values)
    kind = array.type
    if pa.types.is_null(kind):
        return torch.full((len(array),), -1), [], []
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        array = _whole(array, where)
    if pa.types.is_integer(array.type):
        return _numbered(array, where)
    try:
        text = as_text(array, missing)
    except DataError as error:
        raise DataError(
            f"{where} cannot be labels: {error}; expected whole numbers or text"
        ) from error
    # Numbered in the order of their texts.
    known = sorted(text.unique().drop_null().to_pylist())
    codes = pc.fill_null(pc.index_in(text, value_set=pa.array(known, pa.string())), -1)
    labels = torch.from_numpy(codes.to_numpy().astype(np.int64))
    return labels, known, _unlabelled(array, text, where)


def _whole(array: pa.Array, where: str) -> pa.Array:
    """A gap makes numbers of whole numbers that have a fraction, 0."""
    numbers = floats(array)
    there = ~np.isnan(numbers)
    if not np.isfinite(numbers[there]).all() or (numbers[there] % 1 != 0).any():
        raise DataError(
            f"{where} holds numbers with fractions, so they are no labels; expected whole numbers "
            "or text, or name another column (data.label)"
        )
    if (np.abs(numbers[there]) >= _LARGEST).any():
        raise DataError(f"{where} holds numbers that are too large for labels; write them as text")
    return pa.array(np.where(there, numbers, 0).astype(np.int64), mask=~there)


def _numbered(array: pa.Array, where: str) -> tuple[Tensor, list[str], list[str]]:
    try:
        numbers = pc.fill_null(array.cast(pa.int64()), -1).to_numpy()
    except pa.ArrowException as error:
        raise DataError(
            f"{where} holds numbers that are too large for labels; write them as text"
        ) from error
    written = int((numbers < 0).sum()) - array.null_count
    found = np.unique(numbers[numbers != -1]).tolist()
    if found and found[0] < 0:
        raise DataError(
            f"{where} holds {found[0]}; -1 means that there is no label, and no other number may "
            "be negative: write classes as text, or count from 0"
        )
    if found == [1] and written:
        raise DataError(
            f"{where} holds -1 and 1, and -1 means that there is no label; write 0 and 1, or text"
        )
    (labels,), classes = encode_labels(numbers)
    assert labels is not None
    note = f"{where}: -1 means that there is no label ({_rows(written)})"
    return labels, classes, [note] if written else []


def _unlabelled(array: pa.Array, text: pa.Array, where: str) -> list[str]:
    """What was written that counts as no label, apart from nothing at all."""
    if not is_text(array.type) or text.null_count == array.null_count:
        return []
    trimmed = pc.utf8_trim_whitespace(array.filter(pc.is_null(text)).drop_null())
    written = trimmed.filter(pc.not_equal(trimmed, ""))
    return [
        f"{where}: '{count['values']}' means that there is no label ({_rows(count['counts'])}; "
        "data.table.missing)"
        for count in pc.value_counts(written).to_pylist()
    ]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
