"""Where rows come from: arrays, tables, the sets of scikit-learn."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from natlib.errors import DataError
from natlib_vector import Vector

TABLE = """age,work,income,split,label
39,private,10.5,train,no
50,state,,train,yes
38,private,20.5,train,no
28,?,30.5,train,
44,private,1.5,test,yes
45,navy,2.5,test,no
"""


def vector(path: Path, **settings: Any) -> Vector:
    return Vector(source=str(path), **settings).resolved()


def inputs(modality: Vector, split: Any = "train") -> torch.Tensor:
    samples = modality.dataset(split)
    assert samples is not None
    samples.preload(workers=0)
    batch = modality.collate([samples[int(i)] for i in samples.usable])
    assert not batch.unreadable
    return modality.plain(batch)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(TABLE)
    return path


class TestTables:
    def test_numbers_categories_labels_and_splits(self, table: Path) -> None:
        modality = vector(table)
        assert modality.input_shape == (2 + 2 + 2,)
        train, test = modality.dataset("train"), modality.dataset("test")
        assert train is not None
        assert test is not None
        assert modality.dataset("val") is None
        assert train.classes == test.classes == ["no", "yes"]
        assert train.labels is not None
        assert train.labels.tolist() == [0, 1, 0, -1]
        assert list(test.names) == ["test-0", "test-1"]
        ages, incomes = inputs(modality)[:, 0], inputs(modality)[:, 1]
        torch.testing.assert_close(ages.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
        assert incomes[1] == 0
        # Flags: '?' is no work; an empty field is no income. Then private, state.
        assert inputs(modality)[:, 2:].tolist() == [
            [0, 0, 1, 0],
            [0, 1, 0, 1],
            [0, 0, 1, 0],
            [1, 0, 0, 0],
        ]
        # Navy never occurred in training.
        assert inputs(modality, "test")[:, 2:].tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]

    def test_every_format_says_the_same(self, table: Path, tmp_path: Path) -> None:
        expected = inputs(vector(table))
        lines = [line.split(",") for line in TABLE.splitlines()]
        (tmp_path / "t.tsv").write_text("\n".join("\t".join(line) for line in lines))
        with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
            file.write(TABLE)
        numbers = ("age", "income")
        records = [
            {
                name: (float(value) if value else None) if name in numbers else value
                for name, value in zip(lines[0], line, strict=True)
            }
            for line in lines[1:]
        ]
        (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(r) for r in records))
        pq.write_table(pa.Table.from_pylist(records), tmp_path / "t.parquet")
        for name in ("t.tsv", "t.csv.gz", "t.jsonl", "t.parquet"):
            assert torch.equal(inputs(vector(tmp_path / name)), expected), name

    def test_columns_can_be_chosen_and_left_out(self, table: Path) -> None:
        assert vector(table, columns=("income", "age")).input_shape == (3,)
        assert vector(table, ignore=("work",)).input_shape == (3,)
        # A column that serves as label or split is no input, whatever it is called.
        modality = vector(table, label="work")
        assert modality.input_shape == (2 + 1 + 1 + 2,)
        samples = modality.dataset("train")
        assert samples is not None
        assert samples.classes == ["navy", "private", "state"]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"columns": ("agee",)}, "no column 'agee'; did you mean 'age'"),
            ({"ignore": ("wrok",)}, "no column 'wrok'; did you mean 'work'"),
            ({"label": "incme"}, "no column 'incme'; did you mean 'income'"),
            ({"split": "spilt"}, "no column 'spilt'; did you mean 'split'"),
            ({"split": "work"}, "expected train, val or test"),
            ({"label": "income"}, "column 'income' holds numbers with fractions"),
            ({"max_categories": 1}, r"2 different texts, more than data\.max_categories = 1"),
        ],
    )
    def test_settings_that_do_not_fit(
        self, table: Path, settings: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            vector(table, **settings)

    def test_labels_as_numbers(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_text("x,label\n1,3\n2,\n3,1\n4,-1\n")
        samples = vector(path).dataset("train")
        assert samples is not None
        assert samples.labels is not None
        assert samples.classes == ["1", "3"]
        assert samples.labels.tolist() == [1, -1, 0, -1]

    def test_a_word_among_numbers_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        rows = [str(number) for number in range(100)]
        rows[41] = "forty-one"
        path.write_text("x,y\n" + "".join(f"{x},1\n" for x in rows))
        with pytest.raises(DataError, match=r"'x' holds numbers, but 'forty-one' in row 41; .*ign"):
            vector(path)

    def test_names_of_rows_are_no_categories(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_text("name,x\n" + "".join(f"row {i},{i * i}\n" for i in range(100)))
        with pytest.raises(DataError, match=r"'name' holds 100 different texts, .*data\.ignore"):
            vector(path)
        assert vector(path, ignore=("name",)).input_shape == (1,)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"bad\.csv cannot be read as a table"),
            ("x,y\n", "has no rows"),
            ("x,y\n1,2\n3\n", "cannot be read as a table"),
            ("x,y\n1,2\n1,2\n", "every column is constant"),
            ("label,split\n1,train\n", "no column but label and split"),
            ("x,split\n1,test\n", "no row is for training"),
        ],
    )
    def test_files_that_are_no_tables(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(DataError, match=message) as caught:
            vector(tmp_path / "bad.csv")
        assert "\n" not in str(caught.value)

    def test_lists_are_no_numbers(self, tmp_path: Path) -> None:
        (tmp_path / "t.jsonl").write_text('{"x": [1, 2]}\n{"x": [3]}\n')
        with pytest.raises(DataError, match=r"column 'x' holds list.*expected numbers"):
            vector(tmp_path / "t.jsonl")

    def test_one_constant_column_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("x,y\n1,5\n2,5\n")
        assert vector(tmp_path / "t.csv").input_shape == (1,)


class TestAnotherTable:
    """What was fitted decides how another file is read."""

    def test_columns_are_found_by_name(self, table: Path, tmp_path: Path) -> None:
        modality = vector(table)
        other = tmp_path / "other.csv"
        # Another order, no label, no split, one column more, and numbers that look like text.
        other.write_text("note,income,work,age\nhi,10.5,private,39\nho,,state,50\n")
        found = modality.with_source(str(other))
        assert torch.equal(inputs(found), inputs(modality)[:2])

    def test_what_was_left_out_is_not_missed(self, table: Path, tmp_path: Path) -> None:
        modality = vector(table, ignore=("age",))
        other = tmp_path / "other.csv"
        other.write_text("income,work\n10.5,private\n,state\n")
        found = modality.with_source(str(other))
        assert torch.equal(inputs(found), inputs(modality)[:2])

    def test_a_label_that_is_not_there_is_not_missed(self, table: Path, tmp_path: Path) -> None:
        modality = vector(table, label="work")
        other = tmp_path / "other.csv"
        other.write_text("income,age,label\n1,39,no\n2,40,yes\n")
        samples = modality.with_source(str(other)).dataset("train")
        assert samples is not None
        assert samples.classes == ["no", "yes"]

    def test_a_column_that_is_not_there(self, table: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.csv"
        other.write_text("incme,work,age\n1,private,39\n")
        with pytest.raises(DataError, match="no column 'income'; did you mean 'incme'"):
            vector(table).with_source(str(other)).dataset("train")

    def test_text_where_numbers_were(self, table: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.csv"
        other.write_text("income,work,age\nmuch,private,39\n")
        with pytest.raises(DataError, match="column 'income' holds 'much' in row 0, expected numb"):
            vector(table).with_source(str(other)).dataset("train")

    def test_arrays_of_another_width(self, table: Path, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.eye(7))
        with pytest.raises(DataError, match="has 7 columns; expected 3, as in training"):
            vector(table).with_source(str(tmp_path / "a.npy")).dataset("train")


class TestArrays:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", "uint8", "bool"])
    def test_numbers_of_any_type(self, tmp_path: Path, dtype: str) -> None:
        matrix = (np.random.default_rng(0).random((9, 4)) * 3).round().astype(dtype)
        np.save(tmp_path / "a.npy", matrix)
        modality = vector(tmp_path / "a.npy")
        found = inputs(modality)
        wide = matrix.astype(np.float64)
        expected = (wide - wide.mean(0)) / wide.std(0)
        np.testing.assert_allclose(found.numpy(), expected[:, wide.std(0) > 0], rtol=1e-5)

    def test_splits_and_labels(self, tmp_path: Path) -> None:
        rows = np.random.default_rng(0).random((6, 3))
        np.savez(
            tmp_path / "a.npz", vectors=rows, labels=["b", "a"] * 3,
            test_vectors=rows[:2], test_labels=["b", "b"], val_vectors=rows[2:],
        )  # fmt: skip
        modality = vector(tmp_path / "a.npz")
        train, val, test = (modality.dataset(split) for split in ("train", "val", "test"))
        assert train is not None
        assert val is not None
        assert test is not None
        assert (len(train), len(val), len(test)) == (6, 4, 2)
        assert train.classes == test.classes == ["a", "b"]
        assert test.labels is not None
        assert test.labels.tolist() == [1, 1]
        assert val.labels is None
        assert val.classes == []

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"x": np.eye(3)}, "no array 'vectors'; it holds: x"),
            ({"vectors": np.zeros(3)}, r"float64 \[3\]; expected numbers \[samples, columns\]"),
            ({"vectors": np.zeros((0, 3))}, "at least one of each"),
            ({"vectors": np.array([["a"]])}, "expected numbers"),
            ({"vectors": np.eye(3), "labels": [1, 2]}, r"expected whole numbers or strings \[3\]"),
            ({"vectors": np.eye(3), "labels": [0.5] * 3}, "expected whole numbers or strings"),
        ],
    )
    def test_arrays_that_are_no_vectors(
        self, tmp_path: Path, arrays: dict[str, Any], message: str
    ) -> None:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(DataError, match=message):
            vector(tmp_path / "a.npz")

    def test_splits_of_two_widths(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", vectors=np.eye(3), test_vectors=np.eye(4))
        with pytest.raises(DataError, match="'test_vectors' has 4 columns and 'vectors' has 3"):
            vector(tmp_path / "a.npz").dataset("test")

    @pytest.mark.parametrize("name", ["a.npy", "a.npz"])
    def test_damaged_files_and_objects(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"no array")
        with pytest.raises(DataError, match="cannot be read as numpy arrays"):
            vector(tmp_path / name)
        ragged = np.array([[1], [1, 2]], dtype=object)
        save: Any = np.save if name == "a.npy" else np.savez
        with (tmp_path / name).open("wb") as file:
            save(file, **{"arr" if name == "a.npy" else "vectors": ragged})
        with pytest.raises(DataError, match="cannot be read as numpy arrays"):
            vector(tmp_path / name)

    def test_bad_rows_are_counted_and_skipped_up_to_a_limit(self, tmp_path: Path) -> None:
        matrix = np.random.default_rng(0).random((100, 3))
        matrix[3, 1] = np.inf
        matrix[5] = np.nan
        matrix[7, 0] = np.nan  # missing, not broken
        np.save(tmp_path / "a.npy", matrix)
        modality = vector(tmp_path / "a.npy")
        samples = modality.dataset("train")
        assert samples is not None
        samples.preload(workers=0)
        assert [bad.index for bad in samples.unreadable] == [3, 5]
        assert len(samples.usable) == 98
        batch = modality.collate([samples[i] for i in range(8)])
        assert batch.index.tolist() == [0, 1, 2, 4, 6, 7]
        assert len(batch.unreadable) == 2
        assert modality.plain(batch).isfinite().all()
        matrix[10:15, 2] = -np.inf
        np.save(tmp_path / "a.npy", matrix)
        samples = vector(tmp_path / "a.npy").dataset("train")
        assert samples is not None
        with pytest.raises(DataError, match=r"7 of 100 samples \(7\.0%\).*train-3 \(it ho"):
            samples.preload(workers=0)


@pytest.mark.parametrize(
    ("name", "samples", "classes"),
    [("digits", 1438, 10), ("breast_cancer", 456, 2), ("wine", 143, 3)],
)
def test_sets_of_scikit_learn(name: str, samples: int, classes: int) -> None:
    modality = Vector(source=name).resolved()
    train, test = modality.dataset("train"), modality.dataset("test")
    assert train is not None
    assert test is not None
    assert (len(train), len(train.classes)) == (samples, classes)
    assert len(test) == pytest.approx(samples / 4, abs=1)
    assert modality.dataset("val") is None
    if name == "digits":
        assert Vector().resolved() == modality


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'digits'"):
        Vector(source="digit").resolved()
    (tmp_path / "notes.txt").write_text("to do")
    for path in (tmp_path / "notes.txt", tmp_path):
        with pytest.raises(DataError, match=r"is no table and no arrays; .*\.npy, .*\.parquet"):
            Vector(source=str(path)).resolved()
