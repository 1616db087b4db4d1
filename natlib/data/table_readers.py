"""Tables in files of several formats, read block by block with one schema for all blocks."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from natlib.data.table_csv import csv_batches, csv_names
from natlib.data.table_format import TableFormat
from natlib.data.table_json import json_batches, json_names
from natlib.data.table_sniffing import known_format
from natlib.errors import DataError, one_line

__all__ = ["blocks", "names_of"]


def names_of(path: Path, form: TableFormat) -> list[str]:
    """Names of the columns, from the beginning of the file.

    Args:
        path: the file.
        form: how it is written, complete.

    Raises:
        DataError: the file cannot be read.
    """
    with _reading(path):
        kind = known_format(path)
        if kind == ".parquet":
            return list(pq.ParquetFile(path).schema_arrow.names)
        return json_names(path, form) if "json" in kind else csv_names(path, form)


@contextmanager
def blocks(
    path: Path, form: TableFormat, text: Collection[str] = ()
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The schema of a table, and its rows in blocks that fit into memory.

    Args:
        path: the file.
        form: how it is written, complete.
        text: columns of a CSV or TSV file that are text, whatever they hold.

    Raises:
        DataError: the file cannot be read.
    """
    with _reading(path):
        kind = known_format(path)
        if kind == ".parquet":
            yield _parquet(path)
        elif "json" in kind:
            yield json_batches(path, form)
        else:
            yield csv_batches(path, form, text)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
        what = ", or set its encoding (data.table.encoding)" * isinstance(error, UnicodeError)
        raise DataError(
            f"{path} cannot be read as a table: {one_line(error)}; repair or convert it{what}"
        ) from error


def _parquet(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    file = pq.ParquetFile(path)
    # An Arrow file has one dictionary for all its blocks, parquet one for each.
    plain = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
        for f in file.schema_arrow
    ]
    schema = pa.schema(plain)
    return schema, (batch.cast(schema) for batch in file.iter_batches(batch_size=16_384))
