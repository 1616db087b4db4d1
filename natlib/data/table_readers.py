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
from natlib.runtime.reading import MIB
from natlib.runtime.unpacking import most_unpacked

__all__ = ["blocks", "names_of"]

# Of parquet: rows that are read at once, and those of a block that is passed on, unless they are
# large already.
_READ_ROWS = 1_024
_BLOCK_ROWS = 16_384
_LARGE = 16 * MIB


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
    most = most_unpacked(path)
    file = pq.ParquetFile(path)
    groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
    if sum(group.total_byte_size for group in groups) > most:
        raise _unpacks_too_far(path)
    # An Arrow file has one dictionary for all its blocks, parquet one for each.
    plain = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
        for f in file.schema_arrow
    ]
    schema = pa.schema(plain)
    return schema, _joined(file, schema, most, path)


def _joined(
    file: pq.ParquetFile, schema: pa.Schema, most: int, path: Path
) -> Iterator[pa.RecordBatch]:
    """The rows in blocks of thousands, read a few at a time: a few bytes may stand for a long text
    in every row.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in file.iter_batches(batch_size=_READ_ROWS):
        waiting.append(batch.cast(schema))
        most -= waiting[-1].nbytes
        if most < 0:
            raise _unpacks_too_far(path)
        if sum(map(len, waiting)) >= _BLOCK_ROWS or waiting[-1].nbytes > _LARGE:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting.clear()
    if waiting:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _unpacks_too_far(path: Path) -> DataError:
    return DataError(
        f"{path} unpacks to far more than its size; write it again without compression and "
        "dictionaries (compression='none', use_dictionary=False in pyarrow), or as CSV"
    )
