"""Files of JSON lines, read block by block with one schema for all blocks."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from natlib.data.table_encoding import opened
from natlib.data.table_format import TableFormat
from natlib.errors import DataError
from natlib.runtime.reading import DEEPEST, parse_json

__all__ = ["json_batches", "json_names"]

# Bytes of a file that are parsed at once.
_BLOCK = 16 << 20


def json_names(path: Path, form: TableFormat) -> list[str]:
    """Keys of the objects at the beginning of a file."""
    first = next(_blocks(path, form), b"")
    return list(_parsed(path, first, None).schema.names) if first else []


def json_batches(path: Path, form: TableFormat) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Schema and rows; a date in quotes is text.

    Args:
        path: the file.
        form: how it is written, complete.

    Raises:
        DataError: a line is no object, or a key has values of different types.
    """
    schema = pa.schema([])
    for lines in _blocks(path, form):
        found = _as_written(_parsed(path, lines, None).schema)
        try:
            schema = pa.unify_schemas([schema, found], promote_options="permissive")
        except pa.ArrowException as error:
            raise DataError(
                f"{path}: a key has values of different types: {str(error).splitlines()[0]}; "
                "make them all text or all numbers"
            ) from error
    rows = (
        batch
        for lines in _blocks(path, form)
        for batch in _parsed(path, lines, schema).cast(schema).to_batches()
    )
    return schema, rows


def _as_written(schema: pa.Schema) -> pa.Schema:
    """With text where Arrow sees dates: JSON has none, and another block may hold other text."""
    return pa.schema(
        [pa.field(f.name, pa.string() if pa.types.is_timestamp(f.type) else f.type) for f in schema]
    )


def _parsed(path: Path, lines: bytes, schema: pa.Schema | None) -> pa.Table:
    _check_depth(path, lines)
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
            f"{path} cannot be read as JSON lines ({why}){shown}; expected one object a line, and "
            "values of one type for each key"
        ) from error


def _check_depth(path: Path, lines: bytes) -> None:
    """Arrow follows lists and objects as deep as they go, and crashes the process if too deep."""
    for line in lines.splitlines():
        # Most lines have few brackets, and are not parsed twice.
        if line.count(b"[") + line.count(b"{") > DEEPEST and not _is_object(line):
            raise DataError(
                f"{path} cannot be read as JSON lines: {line[:60].decode('utf-8', 'replace')!r} is "
                f"no object, or has more than {DEEPEST} levels; expected one object a line"
            )


def _is_object(line: bytes) -> bool:
    try:
        value: Any = parse_json(line.decode()) if line.strip() else {}
    except ValueError:
        return False
    return isinstance(value, dict)


def _blocks(path: Path, form: TableFormat) -> Iterator[bytes]:
    """Whole lines in UTF-8, about as many bytes as a block has."""
    assert form.encoding is not None
    with opened(path) as file:
        if codecs.lookup(form.encoding).name in ("utf-8", "utf-8-sig"):
            while lines := file.readlines(_BLOCK):
                joined = b"".join(lines).removeprefix(codecs.BOM_UTF8)
                if joined.strip():
                    yield joined
            return
        with io.TextIOWrapper(file, form.encoding) as decoded:
            while texts := decoded.readlines(_BLOCK):
                if any(text.strip() for text in texts):
                    yield "".join(texts).encode()
