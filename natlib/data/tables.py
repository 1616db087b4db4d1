"""Tables of any size: mapped from the disk, so that only what is looked at is in memory."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from natlib.component import nearest
from natlib.data.splits import Split, named_split
from natlib.data.table_format import TableFormat
from natlib.data.table_readers import blocks, names_of
from natlib.data.table_sniffing import complete_format
from natlib.data.table_values import is_text, one_array
from natlib.errors import DataError

__all__ = [
    "column",
    "column_names",
    "open_table",
    "split_rows",
    "table_about",
]

# Another layout of the file in the cache is another version.
_VERSION = b"2"
# Key in a schema's metadata: the format of the file, and what was guessed.
_ABOUT = b"about"

# Tables in temporary files that are in use: the splits of a source share one.
_in_use: WeakValueDictionary[tuple[Path, bytes], pa.Table] = WeakValueDictionary()


def open_table(
    path: Path,
    cache: Path | None = None,
    form: TableFormat | None = None,
    text: Collection[str] = (),
) -> pa.Table:
    """A table, mapped into memory.

    The file is converted to Arrow's own format, block by block. The result is kept in ``cache``
    for as long as the file does not change; without a cache, or if it cannot be written, it is
    a temporary file that goes when the table does.

    Args:
        path: a file that ends in .csv, .tsv, .jsonl or .ndjson, each also with .gz behind it,
            or in .parquet.
        cache: a folder.
        form: how the file is written; what is not set is found from the file.
        text: columns of a CSV or TSV file that are text, whatever they hold.

    Raises:
        DataError: the file cannot be read, or has no rows.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    asked = f"{(form or TableFormat()).model_dump_json()} {sorted(text)}"
    stamp = f"{status.st_size} {status.st_mtime_ns} {asked}".encode()

    def convert(target: Path) -> None:
        complete, notes = complete_format(path, form)
        about = {"form": complete.model_dump(mode="json"), "notes": notes}
        with blocks(path, complete, text) as (schema, batches):
            marks = {b"natlib": _VERSION, b"source": stamp, _ABOUT: json.dumps(about).encode()}
            _write(path, schema.with_metadata(marks), batches, target)

    if cache is None:
        return _temporary(path, stamp, convert)
    key = hashlib.sha256(os.fsencode(path.absolute()) + asked.encode()).hexdigest()[:16]
    kept = cache / f"table-{key}.arrow"
    known = _mapped(kept, stamp)
    if known is not None and _is_sound(known, kept.stat().st_size):
        return known
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=cache, prefix=".table-", suffix=".arrow")
    except OSError:
        return _temporary(path, stamp, convert)
    os.close(handle)
    try:
        convert(Path(beside))
        os.replace(beside, kept)
    finally:
        Path(beside).unlink(missing_ok=True)
    table = _mapped(kept, stamp)
    return _temporary(path, stamp, convert) if table is None else table


def table_about(table: pa.Table) -> tuple[TableFormat, list[str]]:
    """How the file of an opened table is written, and a line for each guess about it."""
    about = json.loads(table.schema.metadata[_ABOUT])
    return TableFormat.model_validate(about["form"]), list(about["notes"])


def column_names(path: Path, form: TableFormat | None = None) -> list[str]:
    """Names of the columns of a table, in order.

    Args:
        path: the file.
        form: how it is written; what is not set is found from the file.

    Raises:
        DataError: the file cannot be read.
    """
    if not path.is_file():
        raise DataError(f"cannot read {path}: there is no such file")
    return names_of(path, complete_format(path, form)[0])


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column by its name.

    Raises:
        DataError: there is none, or more than one; the message names the nearest.
    """
    check_column(table.column_names, name)
    return table.column(name)


def check_column(names: list[str], name: str) -> None:
    """See that a name is there, once.

    Raises:
        DataError: it is not; the message names the nearest.
    """
    if name not in names:
        raise DataError(f"the table has no column '{name}'; {nearest(name, names)}")
    if names.count(name) > 1:
        raise DataError(f"the table has {names.count(name)} columns '{name}'; rename all but one")


def split_rows(table: pa.Table, split_column: str | None) -> dict[Split, npt.NDArray[np.int64]]:
    """Which rows belong to which split; a split that has none is left out.

    Args:
        table: the table.
        split_column: the column that says so, with ``train`` (or ``training``), ``val`` (or
            ``valid``, ``validation``, ``dev``) and ``test`` (or ``testing``, ``eval``,
            ``evaluation``); None if all rows are for training.

    Raises:
        DataError: there is no such column, or it holds something else.
    """
    if split_column is None:
        return {"train": np.arange(len(table), dtype=np.int64)}
    values = one_array(column(table, split_column))
    if pa.types.is_nested(values.type):
        raise DataError(
            f"the column '{split_column}' holds {values.type}; expected train, val or test in "
            "every row, or name another column (data.split)"
        )
    # As bytes, since some may be no UTF-8.
    text = values.cast(pa.binary()) if is_text(values.type) else values
    encoded = pc.dictionary_encode(text, null_encoding="encode")
    splits: list[Split] = []
    for value in encoded.dictionary.to_pylist():
        shown = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        split = named_split(str(shown))
        if split is None:
            raise DataError(
                f"the column '{split_column}' holds {shown!r}; expected train, val or test in "
                "every row, or name another column (data.split)"
            )
        splits.append(split)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    found: dict[Split, npt.NDArray[np.int64]] = {}
    order: tuple[Split, ...] = ("train", "val", "test")
    for split in order:
        own = [code for code, other in enumerate(splits) if other == split]
        rows = np.flatnonzero(np.isin(codes, own)).astype(np.int64)
        if len(rows):
            found[split] = rows
    return found


def _temporary(path: Path, stamp: bytes, convert: Callable[[Path], None]) -> pa.Table:
    table = _in_use.get((path.absolute(), stamp))
    if table is not None:
        return table
    handle, name = tempfile.mkstemp(prefix="natlib-table-", suffix=".arrow")
    os.close(handle)
    try:
        convert(Path(name))
        table = _mapped(Path(name), stamp)
    finally:
        # What is mapped stays readable without a name; where it has to keep it, it does.
        with suppress(OSError):
            os.unlink(name)
    assert table is not None
    _in_use[path.absolute(), stamp] = table
    return table


def _write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], target: Path) -> None:
    rows = 0
    try:
        with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
                rows += len(batch)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DataError(
            f"no room to convert {path} in {target.parent}; free some, or set TMPDIR"
        ) from error
    if not rows:
        raise DataError(f"{path} has no rows; expected a line of names and at least one more")


def _mapped(path: Path, stamp: bytes) -> pa.Table | None:
    """A converted file; None if there is none, or it is of another source."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        marks = reader.schema.metadata or {}
        if (marks.get(b"natlib"), marks.get(b"source")) != (_VERSION, stamp):
            return None
        table = reader.read_all().replace_schema_metadata({_ABOUT: marks[_ABOUT]})
    except (OSError, pa.ArrowException, KeyError):
        return None
    return table


def _is_sound(table: pa.Table, size: int) -> bool:
    """Whether a mapped table is as its schema says: a file that somebody else made may not be, and
    to look at such a value could crash the process. Reads all of it, once.

    Args:
        table: the table.
        size: of its file, in bytes.
    """
    if table.nbytes > size:  # compressed, which natlib's are not
        return False
    try:
        table_about(table)
        for values in table.columns:
            for chunk in values.chunks:
                # Text may hold anything, see above; where it begins and ends has to be right.
                text = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
                chunk.view(text.get(chunk.type, chunk.type)).validate(full=True)
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        return False
    return True
