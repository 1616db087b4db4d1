"""What columns of a table are taken for: said, a setting, and the same in every other file."""

import csv
import datetime
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from natlib.errors import DataError
from natlib_vector import Vector
from natlib_vector.row_numbers import counting_columns, counts_rows, may_name_rows

DAY = datetime.date(2020, 1, 2)
Row = dict[str, Any]


def resolved(path: Path, **settings: Any) -> Vector:
    return Vector(source=str(path), **settings).resolved()


def columns(modality: Vector) -> dict[str, tuple[str, ...] | None]:
    found = json.loads(modality.fitted()["columns.json"])["columns"]
    return {
        c["name"]: c["categories"] and tuple(c["categories"])
        for c in found
        if c["scale"] or c["categories"]
    }


def notes(modality: Vector, split: Any = "train") -> str:
    samples = modality.dataset(split)
    assert samples is not None
    return "\n".join(samples.notes)


def inputs(modality: Vector) -> torch.Tensor:
    samples = modality.dataset("train")
    assert samples is not None
    return modality.plain(modality.collate([samples[index] for index in range(len(samples))]))


def table(path: Path, **values: list[Any]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(values), path)
        return path
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(values), *zip(*values.values(), strict=True)])
    return path


class TestKinds:
    @pytest.mark.parametrize("missing", ["-", "?", "None", "n/a", ""])
    def test_numbers_with_gaps_are_numbers(self, tmp_path: Path, missing: str) -> None:
        path = table(tmp_path / "t.csv", x=[1, 2, missing, 4.5], y=[3, 1, 2, 2])
        modality = resolved(path)
        assert columns(modality) == {"x": None, "y": None}
        assert notes(modality) == f"{path}: numbers are x (1 missing), y"

    def test_what_columns_are_is_said(self, tmp_path: Path) -> None:
        path = table(
            tmp_path / "t.csv", x=[1.5, 2, 4], zip=["012", "020", ""], c=["a", "b", "a"],
            left=[7, 8, 5], label=[0, 1, 1],
        )  # fmt: skip
        modality = resolved(path, ignore=("left",))
        assert columns(modality) == {"x": None, "zip": ("012", "020"), "c": ("a", "b")}
        assert notes(modality).splitlines() == [
            f"{path}: numbers are x; categories are zip (2 values, 1 missing), c (2 values)"
        ]
        few = resolved(path, columns=("x",), label="left")
        assert f"{path}: these columns are no inputs: zip, c, label" in notes(few)

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            (["1", "2", "3", "G"], r"holds numbers, but 'G' in row 3; .*data\.numerical"),
            (["2020-01-02", "2021-03-04", ""], r"holds dates \('2020-01-02'\).*data\.categorical"),
            (["01.02.2020", "03.02.2020"], "holds dates"),
            (["2020-01-02T10:00:00Z", "2020-01-02 10:00"], "holds dates"),
            (["1,250", "2,500"], r"holds numbers with marks \('1,250'\).*data\.table\.decimal"),
            (["5", "12 %"], r"holds numbers with marks \('12 %'\)"),
            (["$5", "$1,250.50"], "holds numbers with marks"),
            (["1.250.000", "900"], "holds numbers with marks"),
        ],
    )
    def test_what_may_be_two_things_is_asked_for(
        self, tmp_path: Path, values: list[str], words: str
    ) -> None:
        path = table(tmp_path / "t.csv", x=values, y=list(range(2, len(values) + 2)))
        with pytest.raises(DataError, match=rf"column 'x' {words}") as error:
            resolved(path)
        assert "\n" not in str(error.value)
        assert set(columns(resolved(path, ignore=("x",)))) == {"y"}
        there = {value for value in values if value}
        assert set(columns(resolved(path, categorical=("x",)))["x"] or ()) == there

    @pytest.mark.parametrize(
        "values",
        [[DAY, DAY, None], [datetime.datetime(2020, 1, 2)] * 3, [[1], [2], [3]], [{"a": 1}] * 3],
    )
    def test_types_that_are_no_numbers(self, tmp_path: Path, values: list[Any]) -> None:
        path = table(tmp_path / "t.parquet", x=values, y=[1, 2, 2])
        with pytest.raises(DataError, match=r"column 'x' holds \w+.* expected numbers; .*ignore"):
            resolved(path)

    def test_kinds_can_be_set(self, tmp_path: Path) -> None:
        path = table(
            tmp_path / "t.csv", x=["1", "2", "G", "?"], n=[10, 20, 10, 30], y=[1.5, 2, 3, 1]
        )
        modality = resolved(path, numerical=("x",), categorical=("n",))
        assert columns(modality) == {"x": None, "n": ("10", "20", "30"), "y": None}
        said = notes(modality)
        assert "column 'x': 'G' is no number, and counts as missing in 1 of 4 rows" in said
        assert "numbers are x (2 missing), y; categories are n (3 values)" in said
        assert inputs(modality).shape == (4, 2 + 1 + 3)

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"categorical": ("z",)}, "no column 'z'"),
            (
                {"categorical": ("x",), "ignore": ("x",)},
                "column 'x' is no input, so it has no type",
            ),
            ({"numerical": ("label",)}, "column 'label' is no input"),
        ],
    )
    def test_kinds_of_what_is_no_input(
        self, tmp_path: Path, given: dict[str, Any], words: str
    ) -> None:
        path = table(tmp_path / "t.csv", x=[1, 2, 4], y=[3, 1, 2], label=[0, 1, 1])
        with pytest.raises(DataError, match=words):
            resolved(path, **given)

    def test_a_column_has_one_kind(self) -> None:
        with pytest.raises(ValidationError, match="'a' is in categorical and in numerical"):
            Vector(source="a.csv", categorical=("a",), numerical=("a",))

    def test_texts_with_digits_are_categories(self, tmp_path: Path) -> None:
        versions = ["1.2.3", "v2", "12b", "3/4"]
        path = table(tmp_path / "t.csv", x=versions, y=[1.5, 2, 3, 1])
        assert columns(resolved(path)) == {"x": tuple(sorted(versions)), "y": None}

    def test_a_label_that_is_a_quantity(self, tmp_path: Path) -> None:
        path = table(tmp_path / "t.csv", y=[1, 2, 4], label=[0.5, 1, 2])
        with pytest.raises(
            DataError, match=r"fractions, .*; to go without, add it to data\.ignore"
        ):
            resolved(path)
        samples = resolved(path, ignore=("label",)).dataset("train")
        assert samples is not None
        assert samples.labels is None

    def test_gaps_of_arrays_are_said(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", [[1.0, np.nan, 2.0], [2.0, 3.0, np.nan], [4.0, 1.0, 1.0]])
        said = notes(resolved(tmp_path / "a.npy"))
        assert said.endswith("a.npy: NaN is a missing value (in column 1 and 1 more)")

    def test_how_a_table_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_bytes("Größe;Ort\n1,5;Köln\n2,5;Bonn\n".encode("cp1252"))
        modality = resolved(tmp_path / "t.csv")
        assert columns(modality) == {"Größe": None, "Ort": ("Bonn", "Köln")}
        assert "read as cp1252" in notes(modality)
        table_settings = {"separator": ";", "encoding": "latin-1", "header": False}
        assert list(columns(resolved(tmp_path / "t.csv", table=table_settings))) == [
            "column_1",
            "column_2",
        ]


class TestRowNumbers:
    COUNT = 24

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("Unnamed: 0", range(7, 31)),
            ("", range(24)),
            ("__index_level_0__", ["a", "b"] * 12),
            ("x", range(24)),
            ("x", range(1, 25)),
            ("x", [float(n) for n in range(24)]),
            ("x", np.random.default_rng(0).permutation(24).tolist()),
            ("row_id", range(500, 524)),
        ],
    )
    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_are_no_inputs_and_said(
        self, tmp_path: Path, name: str, values: Any, suffix: str
    ) -> None:
        height = [n % 5 + 0.5 for n in range(24)]
        path = table(tmp_path / f"t{suffix}", **{name: list(values), "height": height})
        modality = resolved(path)
        assert columns(modality) == {"height": None}
        assert f"column '{name}' counts rows, so it is no input" in notes(modality)
        # Whoever names it wants it; and another table may come without.
        if not isinstance(values, list) or values[0] != "a":
            assert set(columns(resolved(path, columns=(name, "height")))) == {name, "height"}
        other = table(tmp_path / f"o{suffix}", height=height)
        assert torch.equal(inputs(modality.with_source(str(other))), inputs(modality))

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("year", range(1990, 2014)),
            ("x", [*range(23), 22]),
            ("x", [*range(23), 24]),
            ("x", [n / 2 for n in range(24)]),
            ("number_of_rooms", [n % 3 for n in range(24)]),
        ],
    )
    def test_other_numbers_stay(self, tmp_path: Path, name: str, values: Any) -> None:
        path = table(tmp_path / "t.csv", **{name: list(values), "y": [0.5, 1] * 12})
        assert name in columns(resolved(path))

    def test_few_rows_are_no_evidence(self, tmp_path: Path) -> None:
        assert columns(resolved(table(tmp_path / "t.csv", x=[0, 1, 2]))) == {"x": None}

    def test_nothing_else(self, tmp_path: Path) -> None:
        path = table(tmp_path / "t.csv", x=list(range(24)))
        with pytest.raises(DataError, match=r"no column left: 'x' counts rows; list it in data\.c"):
            resolved(path)
        assert columns(resolved(path, columns=("x",))) == {"x": None}

    def test_names_of_rows_are_pointed_out(self, tmp_path: Path) -> None:
        ids = [n * n for n in range(24)]
        path = table(tmp_path / "t.csv", customer_id=ids, y=[0.5, 1] * 12)
        assert "'customer_id' is different in every row; if it names" in notes(resolved(path))
        assert not may_name_rows("height", np.array(ids, dtype=float))
        assert not may_name_rows("id", np.array([1.0] * 24))

    def test_gaps_do_not_count(self) -> None:
        values = np.arange(24.0)
        assert counts_rows("x", values)
        values[3] = np.nan
        assert not counts_rows("x", values)

    @pytest.mark.parametrize("kind", ["float32", "int64", "float64"])
    def test_of_arrays(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("natlib_vector.row_numbers._BLOCK", 7)
        matrix = (np.random.default_rng(0).random((40, 5)) * 100).astype(kind)
        matrix[:, 1], matrix[:, 3] = np.arange(40), np.arange(1, 41)
        matrix[:, 4] = np.arange(40)
        matrix[30, 4] = 0
        assert counting_columns(matrix) == (1, 3)
        assert counting_columns(matrix[:5]) == ()
        np.save(tmp_path / "a.npy", matrix)
        modality = resolved(tmp_path / "a.npy")
        assert modality.input_shape == (3,)
        assert "column 1 counts rows, so it is no input" in notes(modality)
        assert len(modality.samples(matrix[:2])) == 2


# Training rows, whose types all files below are read with.
FITTED: list[Row] = [
    {"n": 1, "x": 1.5, "c": "a", "code": "007", "flag": True, "mixed": "1"},
    {"n": None, "x": -2.25, "c": "b c", "code": "012", "flag": False, "mixed": "2"},
    {"n": 3, "x": 1e6, "c": "naïve", "code": "100", "flag": True, "mixed": "x"},
    {"n": -7, "x": None, "c": None, "code": None, "flag": None, "mixed": "y"},
]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "n": st.none() | st.integers(-1000, 1000),
    "x": st.none() | st.floats(-1e6, 1e6),
    "c": st.sampled_from([None, "a", "b c", "naïve", "nai\u0308ve", "new", "1"]),
    "code": st.sampled_from([None, "007", "012", "100", "7"]),
    "flag": st.none() | st.booleans(),
    "mixed": st.sampled_from(["1", "2", "x", "y", None]),
}
TYPES = pa.schema(
    {"n": pa.int64(), "x": pa.float64(), "c": pa.string(), "code": pa.string(),
     "flag": pa.bool_(), "mixed": pa.string()}
)  # fmt: skip


def save(path: Path, rows: list[Row]) -> Path:
    kind = path.suffix
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows, TYPES), path)
    elif kind == ".jsonl":
        # Most programs leave out what is missing.
        known = [{k: value for k, value in row.items() if value is not None} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in known))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, TYPES.names, delimiter="\t" if kind == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


@cache
def fitted_on(kind: str) -> Vector:
    with tempfile.TemporaryDirectory() as folder:
        return resolved(save(Path(folder) / f"t{kind}", FITTED))


@settings(max_examples=12)
@given(rows=st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=4), at=st.integers(0, 3))
@pytest.mark.parametrize("trained", [".csv", ".parquet"])
def test_a_row_is_the_same_in_every_file(trained: str, rows: list[Row], at: int) -> None:
    """With its neighbours and without, whatever types these have."""
    rows = [
        {**row, "x": 0.5 if row["x"] is None and row["n"] is None else row["x"]} for row in rows
    ]
    modality, row = fitted_on(trained), rows[at % len(rows)]
    expected = modality.plain(modality.collate(modality.samples([row])))
    with tempfile.TemporaryDirectory() as folder:
        for kind in (".csv", ".tsv", ".parquet", ".jsonl"):
            alone = save(Path(folder) / f"alone{kind}", [row])
            among = save(Path(folder) / f"among{kind}", rows)
            found = inputs(modality.with_source(str(alone)))
            assert torch.equal(found, expected), kind
            found = inputs(modality.with_source(str(among)))
            assert torch.equal(found[at % len(rows), None], expected), kind


def test_what_a_row_does_not_tell_is_as_in_training(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x;y\n1,25;2\n1,250;3\n7,5;5\n")
    (tmp_path / "b.csv").write_text("x;y\n1,250;3\n")
    (tmp_path / "c.csv").write_text("x,y\n1.250,3\n")
    modality = resolved(tmp_path / "a.csv")
    for name in ("b.csv", "c.csv"):
        found = modality.with_source(str(tmp_path / name))
        assert torch.equal(inputs(found), inputs(modality)[1:2])
    (tmp_path / "d.csv").write_text("1.5,2\n4,1\n3,3\n")
    (tmp_path / "e.csv").write_text("4,1\n")
    modality = resolved(tmp_path / "d.csv")
    twin = Vector.model_validate(modality.model_dump()).with_fitted(modality.fitted())
    assert torch.equal(inputs(twin.with_source(str(tmp_path / "e.csv"))), inputs(modality)[1:2])


def test_a_key_that_no_object_has_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / "t.jsonl", [{"x": 1.5, "cc": "a"}])
    said = notes(fitted_on(".csv").with_source(str(path)))
    assert "no row has 'c', so it is missing in all; did you mean 'cc'?" in said
    path = save(tmp_path / "u.jsonl", [{"other": 1.5}])
    with pytest.raises(DataError, match="no column 'n'"):
        fitted_on(".csv").with_source(str(path)).dataset("train")


def test_another_table_may_have_a_name_twice(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", FITTED)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",z,z", *(f"{line},1,2" for line in lines[1:])]) + "\n")
    modality = fitted_on(".csv")
    found = inputs(modality.with_source(str(path)))
    assert torch.equal(found, modality.plain(modality.collate(modality.samples(FITTED))))


def test_a_category_that_is_new_is_said(tmp_path: Path) -> None:
    modality = fitted_on(".csv")
    rows = [{**FITTED[0], "c": value} for value in ("new", "newer", "new", "a")]
    path = save(tmp_path / "t.parquet", rows)
    assert (
        "column 'c': 'new' and 1 more did not occur in training, and counts as missing in 3 of "
        "4 rows" in notes(modality.with_source(str(path)))
    )


@pytest.mark.parametrize(
    ("known", "given", "category"),
    [
        (["1", "2"], [1.0, 2.0], [0, 1]),
        (["1.0", "2.0"], [1, 2], [0, 1]),
        (["True", "False"], [True, False], [0, 1]),
        (["01", "1"], [1, 1], [1, 1]),
        (["01", "02"], [1, 2], [None, None]),
    ],
)
def test_categories_of_other_types(
    tmp_path: Path, known: list[str], given: list[Any], category: list[int | None]
) -> None:
    first = table(tmp_path / "a.parquet", c=known, y=[1.5, 2])
    modality = resolved(first, categorical=("c",))
    order = sorted(known)
    second = table(tmp_path / "b.parquet", c=given, y=[1.5, 2])
    found = inputs(modality.with_source(str(second)))[:, 1:]
    items = modality.plain(
        modality.collate(
            modality.samples([{"c": c, "y": y} for c, y in zip(given, [1.5, 2], strict=True)])
        )
    )[:, 1:]
    assert torch.equal(found, items)
    wanted = [-1 if code is None else order.index(known[code]) for code in category]
    assert [row.argmax().item() if row.any() else -1 for row in found] == wanted


@pytest.mark.parametrize("text", ["1_000", "many", "1,5"])
def test_an_item_that_is_no_number(text: str) -> None:
    with pytest.raises(DataError, match="could not convert string to float"):
        fitted_on(".csv").samples([{"n": text}])
