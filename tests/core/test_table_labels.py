"""Labels of tables: whole numbers or text, in the same order whatever the file and its types."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from natlib.data.table_format import MISSING
from natlib.data.table_labels import table_labels
from natlib.data.tables import open_table
from natlib.errors import DataError

DAY = datetime.date(2020, 1, 2)


def labels(values: Any, missing: tuple[str, ...] = MISSING) -> tuple[list[int], list[str], str]:
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    found, classes, notes = table_labels(column, missing, "a.csv: column 'label'")
    return found.tolist(), classes, "; ".join(notes)


@pytest.mark.parametrize(
    ("values", "numbers", "classes"),
    [
        ([10, 9, 0], [2, 1, 0], ["0", "9", "10"]),
        ([10.0, None, 9.0], [1, -1, 0], ["9", "10"]),
        ([Decimal("3"), Decimal("1")], [1, 0], ["1", "3"]),
        (["b", " a", None, ""], [1, 0, -1, -1], ["a", "b"]),
        (["010", "9"], [0, 1], ["010", "9"]),
        ([True, False, None], [1, 0, -1], ["false", "true"]),
        ([DAY, None], [0, -1], ["2020-01-02"]),
    ],
)
def test_natural_orders(values: list[Any], numbers: list[int], classes: list[str]) -> None:
    assert labels(values) == (numbers, classes, "")


def test_nothing_but_gaps() -> None:
    assert labels(pa.nulls(2)) == ([-1, -1], [], "")
    assert labels(["", None]) == ([-1, -1], [], "")


def test_minus_one_is_no_label_and_said() -> None:
    found, classes, note = labels([0, -1, 2, None, -1])
    assert (found, classes) == ([0, -1, 1, -1, -1], ["0", "2"])
    assert note == "a.csv: column 'label': -1 means that there is no label (2 rows)"


def test_words_for_nothing_are_no_labels_and_said() -> None:
    words = ["None", "NA", "x", "None", ""]
    found, classes, note = labels(words)
    assert (found, classes) == ([-1, -1, 0, -1, -1], ["x"])
    assert "'None' means that there is no label (2 rows; data.table.missing)" in note
    assert "'NA' means that there is no label (1 row;" in note
    # They may be classes.
    assert labels(words, ("",)) == ([1, 0, 2, 1, -1], ["NA", "None", "x"], "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([-1, 1, 1], "holds -1 and 1, .*; write 0 and 1, or text"),
        ([-2, 0, 1], "holds -2; -1 means .* write classes as text, or count from 0"),
        ([0.5, 1.0], "holds numbers with fractions, .* another column"),
        ([float("inf"), 1.0], "holds numbers with fractions"),
        ([[1], [2]], r"holds list<.*expected whole numbers or text"),
        ([{"a": 1}], r"holds struct<.*expected whole numbers or text"),
        ([b"a"], "holds binary"),
        ([1e30, 1.0], "too large for labels"),
        (pa.array([2**63, 1], pa.uint64()), "too large for labels"),
    ],
)
def test_what_is_no_label(values: Any, words: str) -> None:
    with pytest.raises(DataError, match=rf"a\.csv: column 'label' .*{words}") as error:
        labels(values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        (["01", "02", "10"], ["01", "02", "10"]),
        (["True", "False", "True"], ["False", "True"]),
        (["1", "", "3"], ["1", "3"]),
        (["1", "?", "3"], ["1", "3"]),
    ],
)
def test_of_csv(tmp_path: Path, text: list[str], classes: list[str]) -> None:
    rows = "".join(f"t,{value}\n" for value in text)
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    assert labels(open_table(tmp_path / "a.csv").column("label"))[1] == classes


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\nschön,ä\nb,x\xff\n".encode() + b"c,x\xff\n")
    with pytest.raises(DataError, match="cannot be labels: it cannot be read as text"):
        labels(open_table(tmp_path / "a.csv").column("label"))
