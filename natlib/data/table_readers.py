"""Tables in files of several formats, read block by block with one schema for all blocks."""

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from natlib.data.table_names import TABLE_SUFFIXES, table_format
from natlib.errors import DataError

__all__ = ["blocks", "names_of"]

# Bytes of a file that are parsed at once. A single value may be longer than the first.
_BLOCKS = (16 << 20, 256 << 20, 1 << 30)
_DELIMITER = {".csv": ",", ".tsv": "\t"}
_NULLS = pa.array(pa.csv.ConvertOptions().null_values)


def names_of(path: Path) -> list[str]:
    """Names of the columns, from the beginning of the file.

    Raises:
        DataError: the file cannot be read.
    """
    with _reading(path):
        kind = _known_format(path)
        if kind == ".parquet":
            return list(pq.ParquetFile(path).schema_arrow.names)
        if kind in _DELIMITER:
            return list(_csv_reader(path, _DELIMITER[kind], _BLOCKS[0], {}).schema.names)
        first = next(_json_blocks(path), b"")
        return list(_parsed(path, first, None).schema.names) if first else []


@contextmanager
def blocks(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The schema of a table, and its rows in blocks that fit into memory.

    A column of a CSV file is int64 or float64 if all its values are numbers, otherwise text.
    Text is not checked to be UTF-8 here, so that one bad value does not make the others
    unreadable.

    Raises:
        DataError: the file cannot be read.
    """
    with _reading(path):
        kind = _known_format(path)
        if kind == ".parquet":
            schema, rows = _parquet(path)
        elif kind in _DELIMITER:
            schema, rows = _csv(path, _DELIMITER[kind])
        else:
            schema, rows = _json(path)
        yield schema, rows


def _known_format(path: Path) -> str:
    kind = table_format(path)
    if kind is None:
        raise DataError(
            f"{path} is no table; expected a file that ends in {', '.join(TABLE_SUFFIXES)}"
        )
    return kind


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read as a table: {why}; repair or convert it") from error


def _parquet(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    file = pq.ParquetFile(path)
    # An Arrow file has one dictionary for all its blocks, parquet one for each.
    plain = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
        for f in file.schema_arrow
    ]
    schema = pa.schema(plain)
    return schema, (batch.cast(schema) for batch in file.iter_batches(batch_size=16_384))


def _csv(path: Path, delimiter: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    for block in _BLOCKS:
        try:
            types = _csv_types(path, delimiter, block)
            break
        except pa.ArrowInvalid as error:
            # A value that is longer than a block.
            if "straddling" not in str(error) or block == _BLOCKS[-1]:
                raise
    reader = _csv_reader(path, delimiter, block, types)
    return reader.schema, iter(reader)


def _csv_reader(
    path: Path, delimiter: str, block: int, types: dict[str, pa.DataType]
) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        pa.input_stream(str(path), compression="detect"),
        read_options=pa.csv.ReadOptions(block_size=block),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(check_utf8=False, column_types=types),
    )


def _csv_types(path: Path, delimiter: str, block: int) -> dict[str, pa.DataType]:
    """What each column is, from all of its values.

    Arrow's own guess is made from the first block, and fails in a later one.
    """
    names = _csv_reader(path, delimiter, block, {}).schema.names
    reader = _csv_reader(path, delimiter, block, dict.fromkeys(names, pa.string()))
    numeric = dict.fromkeys(names, pa.int64())
    known: set[str] = set()
    for batch in reader:
        # Positions, since a header may have a name twice.
        for position, name in enumerate(names):
            if name not in numeric:
                continue
            values = pc.ascii_trim_whitespace(batch.column(position))
            values = values.filter(pc.invert(pc.is_in(values, value_set=_NULLS)))
            kind = _narrowest(values, numeric[name])
            if len(values):
                known.add(name)
            if kind is None:
                del numeric[name]
            else:
                numeric[name] = kind
    # A column without a single value is text.
    return {name: numeric[name] if name in known & set(numeric) else pa.string() for name in names}


def _narrowest(values: pa.Array, kind: pa.DataType) -> pa.DataType | None:
    for wider in (pa.int64(), pa.float64()) if kind == pa.int64() else (kind,):
        try:
            values.cast(wider)
        except pa.ArrowInvalid:
            continue
        return wider
    return None


def _json(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    schema = pa.schema([])
    for lines in _json_blocks(path):
        found = _parsed(path, lines, None).schema
        try:
            schema = pa.unify_schemas([schema, found], promote_options="permissive")
        except pa.ArrowException as error:
            raise DataError(
                f"{path}: a key has values of different types: {str(error).splitlines()[0]}; "
                "make them all text or all numbers"
            ) from error
    rows = (
        batch
        for lines in _json_blocks(path)
        for batch in _parsed(path, lines, schema).cast(schema).to_batches()
    )
    return schema, rows


def _parsed(path: Path, lines: bytes, schema: pa.Schema | None) -> pa.Table:
    try:
        return pa.json.read_json(
            io.BytesIO(lines),
            read_options=pa.json.ReadOptions(block_size=len(lines) + 1),
            parse_options=pa.json.ParseOptions(explicit_schema=schema),
        )
    except pa.ArrowInvalid as error:
        first = next((line for line in lines.splitlines() if not _is_object(line)), b"")
        shown = f": {first[:60].decode('utf-8', 'replace')!r} is no object" if first else ""
        why = str(error).splitlines()[0]
        raise DataError(
            f"{path} cannot be read as JSON lines ({why}){shown}; expected one object a line"
        ) from error


def _is_object(line: bytes) -> bool:
    try:
        value: Any = json.loads(line) if line.strip() else {}
    except ValueError:
        return False
    return isinstance(value, dict)


def _json_blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, about as many bytes as a block has."""
    with _opened(path) as file:
        while lines := file.readlines(_BLOCKS[0]):
            joined = b"".join(lines)
            if joined.strip():
                yield joined


def _opened(path: Path) -> BinaryIO:
    if path.name.lower().endswith(".gz"):
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")
