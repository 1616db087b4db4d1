"""CSV and TSV files, read block by block with one schema for all blocks."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from natlib.data.table_format import TableFormat
from natlib.errors import DataError
from natlib.runtime.unpacking import most_unpacked

__all__ = ["csv_batches", "csv_names"]

T = TypeVar("T")

# Bytes of a file that are parsed at once. A single value may be longer than the first.
_BLOCKS = (16 << 20, 256 << 20, 1 << 30)
# 007 is a code, and 0x1F one that Arrow would take for 31.
_CODE = r"^[+-]?0[0-9xX]"
_ENCLOSED = r'^"(?:[^"]|"")*"$'


def csv_names(path: Path, form: TableFormat) -> list[str]:
    """Names of the columns."""
    return _in_blocks(lambda block: _names(_reader(path, form, block, None), form))


def csv_batches(
    path: Path, form: TableFormat, text: Collection[str] = ()
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Schema and rows. A column is int64 or float64 if all its values are numbers, otherwise text.

    Numbers with leading zeros are codes, thus text. Text is not checked to be UTF-8 here, so
    that one bad value does not make the others unreadable.

    Args:
        path: the file.
        form: how it is written, complete.
        text: columns that are text, whatever they hold.
    """
    return _in_blocks(lambda block: _typed(path, form, text, block))


def _in_blocks(read: Callable[[int], T]) -> T:
    for block in _BLOCKS:
        try:
            return read(block)
        except pa.ArrowInvalid as error:
            # A value that is longer than a block.
            if "straddling" not in str(error) or block == _BLOCKS[-1]:
                raise
    raise AssertionError


def _typed(
    path: Path, form: TableFormat, text: Collection[str], block: int
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    reader = _reader(path, form, block, None)
    written, names = reader.schema.names, _names(reader, form)
    kinds: list[pa.DataType | None] = [None if n in text else pa.int64() for n in names]
    known = [False] * len(names)
    for batch in _rows(path, form, block, written):
        # Positions, since a header may have a name twice.
        for position, kind in enumerate(kinds):
            if kind is None:
                continue
            values = _plain(batch.column(position), form).drop_null()
            known[position] = known[position] or len(values) > 0
            kinds[position] = _narrowest(values, kind)
    # A column without a single value is text.
    fields = [
        pa.field(name, kind if there and kind is not None else pa.string())
        for name, kind, there in zip(names, kinds, known, strict=True)
    ]
    schema = pa.schema(fields)
    return schema, (
        pa.record_batch(
            [_value(batch.column(i), field.type, form) for i, field in enumerate(schema)],
            schema=schema,
        )
        for batch in _rows(path, form, block, written)
    )


def _rows(path: Path, form: TableFormat, block: int, text: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows as text; of a file that is packed, as many as real ones could be."""
    # Not counted byte by byte: a file of Python's that Arrow still reads from aborts its exit.
    left = most_unpacked(path) if path.name.lower().endswith(".gz") else None
    for batch in _reader(path, form, block, text):
        if left is not None and (left := left - batch.nbytes) < 0:
            raise DataError(f"{path} unpacks to far more than its size; unpack it")
        yield batch


def _reader(
    path: Path, form: TableFormat, block: int, text: list[str] | None
) -> pa.csv.CSVStreamingReader:
    types = None if text is None else dict.fromkeys(text, pa.string())
    return pa.csv.open_csv(
        pa.input_stream(str(path), compression="detect"),
        read_options=pa.csv.ReadOptions(
            block_size=block,
            encoding="utf8" if form.encoding in ("utf-8", "utf-8-sig") else form.encoding,
            autogenerate_column_names=not form.header,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=form.separator,
            quote_char='"' if form.quotes else False,
            newlines_in_values=bool(form.quotes),
        ),
        convert_options=pa.csv.ConvertOptions(check_utf8=False, column_types=types),
    )


def _names(reader: pa.csv.CSVStreamingReader, form: TableFormat) -> list[str]:
    names: list[str] = reader.schema.names
    if form.header:
        return names if form.quotes else _unquoted(pa.array(names, pa.string())).to_pylist()
    return [f"column_{number}" for number in range(1, len(names) + 1)]


def _value(values: pa.Array, kind: pa.DataType, form: TableFormat) -> pa.Array:
    if kind == pa.string():
        return values if form.quotes else _unquoted(values)
    return _plain(values, form).cast(kind)


def _plain(values: pa.Array, form: TableFormat) -> pa.Array:
    """Values as they would be cast to numbers; null where one is missing."""
    values = values if form.quotes else _unquoted(values)
    trimmed = pc.ascii_trim_whitespace(values)
    missing = pc.is_in(pc.ascii_lower(trimmed), value_set=pa.array(form.missing_texts, pa.string()))
    trimmed = pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
    return trimmed if form.decimal == "." else pc.replace_substring(trimmed, ",", ".")


def _unquoted(values: pa.Array) -> pa.Array:
    """Without the quotes around whole values; all others stay."""
    enclosed = pc.match_substring_regex(values.cast(pa.binary()), _ENCLOSED)
    inner = pc.replace_substring(pc.binary_slice(values.cast(pa.binary()), 1, -1), b'""', b'"')
    return pc.if_else(enclosed, inner, values.cast(pa.binary())).view(pa.string())


def _narrowest(values: pa.Array, kind: pa.DataType) -> pa.DataType | None:
    if pc.any(pc.match_substring_regex(values.cast(pa.binary()), _CODE)).as_py():
        return None
    for wider in (pa.int64(), pa.float64()) if kind == pa.int64() else (kind,):
        try:
            values.cast(wider)
        except pa.ArrowInvalid:
            continue
        return wider
    return None
