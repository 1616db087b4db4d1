"""Tables: every format gives the same rows, types come from all values, files stay on the disk."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from natlib.data import table_csv, table_json
from natlib.data.table_names import is_table
from natlib.data.tables import column, column_names, open_table, split_rows
from natlib.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"text": "a, b\nand c", "label": 1, "score": 0.5},
    {"text": 'said "no"', "label": 2, "score": 1.0},
    {"text": "naïve ☃", "label": 3, "score": -2.0},
]


def quoted(value: object, delimiter: str) -> str:
    text = str(value)
    if any(mark in text for mark in (delimiter, '"', "\n")):
        text = '"' + text.replace('"', '""') + '"'
    return text


def delimited(rows: list[dict[str, Any]], delimiter: str) -> bytes:
    lines = [delimiter.join(rows[0])]
    lines += [delimiter.join(quoted(value, delimiter) for value in row.values()) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    plain = path.name.removesuffix(".gz")
    if plain.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if plain.endswith(("jsonl", "ndjson")):
        content = json_lines(rows)
    else:
        content = delimited(rows, "\t" if plain.endswith(".tsv") else ",")
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


NAMES = [
    "a.csv", "a.CSV", "a.csv.gz", "a.tsv", "a.tsv.gz", "a.jsonl", "a.jsonl.gz", "a.ndjson",
    "a.parquet",
]  # fmt: skip


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_format_holds_the_same(tmp_path: Path, name: str, cached: bool) -> None:
    path = write(tmp_path / name, ROWS)
    table = open_table(path, tmp_path / "cache" if cached else None)
    assert table.to_pylist() == ROWS
    assert table.schema.types == [pa.string(), pa.int64(), pa.float64()]
    assert column_names(path) == ["text", "label", "score"]
    assert is_table(path)


@pytest.mark.parametrize("name", ["a.txt", "a.parquet.gz", "a.npz", "csv", "a.csv.zip"])
def test_what_is_no_table(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text\na\n")
    assert not is_table(tmp_path / name)
    with pytest.raises(DataError, match=r"is no table; expected a file that ends in \.csv"):
        open_table(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "3"], [1, 2, 3]),
        (["1", "2.5", "3"], [1.0, 2.5, 3.0]),
        (["1", "2", "x"], ["1", "2", "x"]),
        (["1", "", "NA"], [1, None, None]),
        (["x", "", "NA"], ["x", "", "NA"]),
        (["", "", ""], ["", "", ""]),
        ([" 1", "2 ", "1e3"], [1.0, 2.0, 1000.0]),
        (["9" * 25, "1", "2"], [1e25, 1.0, 2.0]),
    ],
)
def test_a_column_of_csv_is_what_all_its_values_are(
    tmp_path: Path, values: list[str], expected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of a row or two: what a column is shows only in later ones.
    monkeypatch.setattr(table_csv, "_BLOCKS", (64,))
    filler = "f" * 30
    rows = [{"x": value, "y": filler} for value in values]
    table = open_table(write(tmp_path / "a.csv", rows))
    assert column(table, "x").to_pylist() == expected


def test_keys_of_json_lines_may_be_missing_and_numbers_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_json, "_BLOCK", 8)
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2.5, "b": "x"}\n{"b": null}\n')
    assert open_table(tmp_path / "a.jsonl").to_pylist() == [
        {"a": 1.0, "b": None},
        {"a": 2.5, "b": "x"},
        {"a": None, "b": None},
    ]


def test_a_value_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_csv, "_BLOCKS", (64, 4096))
    rows = [{"text": "a"}, {"text": "b" * 1000}, {"text": "c"}]
    assert open_table(write(tmp_path / "a.csv", rows)).to_pylist() == rows
    rows[1]["text"] = "b" * 10_000
    with pytest.raises(DataError, match=r"a\.csv cannot be read as a table: .*straddling"):
        open_table(write(tmp_path / "a.csv", rows))


def test_text_that_is_not_utf_8_spoils_its_own_row_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,n\ngeht's schön,1\n".encode() + b"b\xffd,2\n")
    text = column(open_table(tmp_path / "a.csv"), "text")
    assert text[0].as_py() == "geht's schön"
    with pytest.raises(UnicodeDecodeError):
        text[1].as_py()


def test_dictionaries_of_parquet_are_written_out(tmp_path: Path) -> None:
    values = pa.array(["x", "y", "x"]).dictionary_encode()
    pq.write_table(pa.table({"a": values}), tmp_path / "a.parquet")
    table = open_table(tmp_path / "a.parquet")
    assert table.schema.types == [pa.string()]
    assert column(table, "a").to_pylist() == ["x", "y", "x"]


class TestCache:
    def test_is_read_and_follows_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, cache = write(tmp_path / "a.csv", ROWS), tmp_path / "cache"
        first = open_table(path, cache)
        (kept,) = cache.iterdir()
        with monkeypatch.context() as patch:
            patch.setattr("natlib.data.tables.blocks", lambda *_: pytest.fail("read anew"))
            assert open_table(path, cache).equals(first)
        write(path, ROWS[:2])
        assert open_table(path, cache).to_pylist() == ROWS[:2]
        assert list(cache.iterdir()) == [kept]
        # What is open shows what was there.
        assert first.to_pylist() == ROWS

    @pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x"])
    def test_is_made_anew_if_damaged(
        self, tmp_path: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        path, cache = write(tmp_path / "a.csv", ROWS), tmp_path / "cache"
        open_table(path, cache)
        (kept,) = cache.iterdir()
        kept.write_bytes(damage(kept.read_bytes()))
        assert open_table(path, cache).to_pylist() == ROWS

    @pytest.mark.parametrize("forged", ["offsets", "about", "compressed"])
    def test_is_made_anew_if_forged(self, tmp_path: Path, forged: str) -> None:
        """What an index claims is checked before it is mapped: it may come with a run."""
        path, cache = write(tmp_path / "a.csv", ROWS), tmp_path / "cache"
        open_table(path, cache)
        (kept,) = cache.iterdir()
        table = pa.ipc.open_file(kept).read_all()
        if forged == "offsets":
            offsets = np.array([0, 10**6, 2, 3], np.int32)
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"abc")]
            wrong = pa.Array.from_buffers(pa.string(), 3, buffers)
            table = table.set_column(0, "text", wrong)
        if forged == "about":
            marks = table.schema.metadata | {b"about": b"{}"}
            table = table.replace_schema_metadata(marks)
        if forged == "compressed":
            table = pa.concat_tables([table] * 1000).combine_chunks()
        options = pa.ipc.IpcWriteOptions(compression="zstd" if forged == "compressed" else None)
        with pa.ipc.new_file(kept, table.schema, options=options) as writer:
            writer.write_table(table)
        assert open_table(path, cache).to_pylist() == ROWS
        assert pa.ipc.open_file(kept).read_all().to_pylist() == ROWS

    def test_is_done_without_if_it_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        path = write(tmp_path / "a.csv", ROWS)
        assert open_table(path, tmp_path / "file" / "cache").to_pylist() == ROWS

    def test_nothing_is_left_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = tmp_path / "temporary"
        place.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(place))
        table = open_table(write(tmp_path / "a.csv", ROWS))
        assert list(place.iterdir()) == []
        assert table.to_pylist() == ROWS
        (tmp_path / "b.csv").write_text("a,b\n1\n")
        for cache in (None, tmp_path / "cache"):
            with pytest.raises(DataError):
                open_table(tmp_path / "b.csv", cache)
        assert list(place.iterdir()) == list((tmp_path / "cache").iterdir()) == []


def test_a_table_is_mapped_and_not_read(tmp_path: Path) -> None:
    rows = [{"text": "x" * 1000, "n": number} for number in range(20_000)]
    path = write(tmp_path / "a.csv", rows)
    before = pa.total_allocated_bytes()
    table = open_table(path, tmp_path / "cache")
    assert table.nbytes > 20_000_000
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert table.column("text")[19_999].as_py() == "x" * 1000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", r"a\.csv cannot be read as a table: Empty CSV"),
        ("a.csv", b"text,label\n", r"a\.csv has no rows"),
        ("a.csv", b"a,b\n1,2\n3\n", r"cannot be read as a table: .*Row #3: Expected 2"),
        ("a.csv.gz", b"a,b\n1,2\n", r"a\.csv\.gz cannot be read as a table"),
        ("a.jsonl", b"", r"a\.jsonl has no rows"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', r"'\[1\]' is no object; expected one object a line"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "is no object; expected one object a line"),
        ("a.jsonl", b'{"a": 1}\n{"a": "x"}\n', "cannot be read as JSON lines .*changed from"),
        ("a.jsonl.gz", b'{"a": 1}\n', r"a\.jsonl\.gz cannot be read as a table"),
        ("a.parquet", b"PAR1 and nothing", r"a\.parquet cannot be read as a table"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        open_table(tmp_path / name)
    assert "\n" not in str(error.value)


def test_types_that_differ_from_block_to_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_json, "_BLOCK", 8)
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": "x"}\n')
    with pytest.raises(DataError, match=r"values of different types: .*make them all text"):
        open_table(tmp_path / "a.jsonl")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for call in (open_table, column_names):
        with pytest.raises(DataError, match=r"cannot read .*gone\.csv"):
            call(tmp_path / "gone.csv")


class TestColumns:
    table = pa.table({"text": ["a"], "label": ["b"]})

    def test_the_nearest_is_named(self) -> None:
        with pytest.raises(DataError, match=r"no column 'txt'; did you mean 'text'\?"):
            column(self.table, "txt")
        with pytest.raises(DataError, match="no column 'qqq'; expected one of: label, text"):
            column(self.table, "qqq")

    def test_a_name_that_stands_twice(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("x,x\n1,b\n2,c\n")
        with pytest.raises(DataError, match="2 columns 'x'; rename all but one"):
            column(open_table(tmp_path / "a.csv"), "x")


class TestSplits:
    def test_rows_of_each(self) -> None:
        values = ["test", "Train", "dev", "training", "test ", "validation"]
        table = pa.table({"split": pa.chunked_array([values[:2], values[2:]])})
        found = split_rows(table, "split")
        assert {name: rows.tolist() for name, rows in found.items()} == {
            "train": [1, 3],
            "val": [2, 5],
            "test": [0, 4],
        }
        assert all(rows.dtype == np.int64 for rows in found.values())

    def test_without_a_column_all_is_training(self) -> None:
        found = split_rows(pa.table({"a": [1, 2, 3]}), None)
        assert {name: rows.tolist() for name, rows in found.items()} == {"train": [0, 1, 2]}

    def test_splits_that_have_no_rows_are_left_out(self) -> None:
        assert set(split_rows(pa.table({"s": ["test", "test"]}), "s")) == {"test"}

    @pytest.mark.parametrize(
        "values", [["train", "fold 3"], ["train", None], [1, 2], [["train"], []]]
    )
    def test_other_words(self, values: list[Any]) -> None:
        with pytest.raises(DataError, match=r"column 's' holds .*; expected train, val or test"):
            split_rows(pa.table({"s": values}), "s")

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        content = "x,s\nschön,train\n1,tr".encode() + b"\xff\n"
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(DataError, match=r"column 's' holds 'tr.*; expected train, val or test"):
            split_rows(open_table(tmp_path / "a.csv"), "s")
