"""How a table is written: found from the file and said, set, or refused in one line."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from natlib.data.table_format import TableFormat
from natlib.data.table_sniffing import complete_format, format_of_another
from natlib.data.tables import column_names, open_table, table_about
from natlib.errors import DataError

TABLE = "name,height\nJürgen,1.5\nÉtienne,2\n"
ROWS = {"name": ["Jürgen", "Étienne"], "height": [1.5, 2.0]}


def read(path: Path, content: bytes | str, **settings: Any) -> dict[str, list[Any]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = open_table(path, form=TableFormat(**settings))
    found: dict[str, list[Any]] = table.to_pydict()
    assert column_names(path, TableFormat(**settings)) == list(found)
    return found


def said(path: Path) -> str:
    """What was guessed about a table: one line or nothing."""
    notes = table_about(open_table(path))[1]
    assert len(notes) <= 1
    return notes[0].removeprefix(f"{path}: ") if notes else ""


class TestEncoding:
    @pytest.mark.parametrize(
        ("encoding", "words"),
        [
            ("utf-8", ""),
            ("utf-8-sig", ""),
            ("utf-16", ""),
            ("utf-32", ""),
            ("utf-16-le", "read as utf-16-le (data.table.encoding)"),
            ("utf-16-be", "read as utf-16-be (data.table.encoding)"),
            ("cp1252", "not UTF-8, so read as cp1252 (data.table.encoding)"),
        ],
    )
    def test_is_found_and_said(self, tmp_path: Path, encoding: str, words: str) -> None:
        content = (TABLE + "Anna,3\n" * 20).encode(encoding)
        expected = {"name": ROWS["name"] + ["Anna"] * 20, "height": ROWS["height"] + [3.0] * 20}
        assert read(tmp_path / "a.csv", content) == expected
        with gzip.open(tmp_path / "b.csv.gz", "wb") as file:
            file.write(content)
        assert open_table(tmp_path / "b.csv.gz").to_pydict() == expected
        assert said(tmp_path / "a.csv") == words

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
    def test_of_json_lines(self, tmp_path: Path, encoding: str) -> None:
        lines = '{"name": "Jürgen", "height": 1.5}\n{"name": "Étienne", "height": 2.0}\n'
        assert read(tmp_path / "a.jsonl", lines.encode(encoding)) == ROWS

    def test_that_cannot_be_told_is_asked_for(self, tmp_path: Path) -> None:
        content = "ΩΨ,ΛΔ\nΞΠΣ,1.5\nΓΔΘΛ,2\n".encode("cp1253")
        with pytest.raises(DataError, match=r"set its encoding \(data\.table\.encoding: .*cp1251 "):
            read(tmp_path / "a.csv", content)
        found = read(tmp_path / "a.csv", content, encoding="cp1253")
        assert found["ΩΨ"] == ["ΞΠΣ", "ΓΔΘΛ"]
        # What a file does not tell is as in the table that it resembles.
        given = TableFormat(encoding="cp1253", missing=("0",))
        assert format_of_another(tmp_path / "a.csv", given) == given
        (tmp_path / "b.csv").write_text(TABLE)
        assert format_of_another(tmp_path / "b.csv", given) == TableFormat(missing=("0",))

    def test_that_does_not_fit(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"set its encoding \(data\.table\.encoding\)") as error:
            read(tmp_path / "a.csv", TABLE, encoding="ascii")
        assert "\n" not in str(error.value)
        with pytest.raises(DataError, match="holds zero bytes, so it is no text"):
            read(tmp_path / "a.csv", bytes(range(256)) * 4)

    def test_a_few_damaged_bytes_are_counted(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes(TABLE.encode() + b"b\xffd,2\n")
        assert "1 bytes are not UTF-8" in said(tmp_path / "a.csv")


class TestSeparator:
    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
    def test_is_found_and_said(self, tmp_path: Path, name: str, mark: str) -> None:
        assert read(tmp_path / name, TABLE.replace(",", mark)) == ROWS
        usual = mark == ("," if name == "a.csv" else "\t")
        assert said(tmp_path / name) == (
            "" if usual else f"values are separated by {mark!r} (data.table.separator)"
        )

    def test_inside_quotes_does_not_count(self, tmp_path: Path) -> None:
        assert read(tmp_path / "a.csv", 'a;b\n"x,y";"u;v"\n"z,w";1\n') == {
            "a": ["x,y", "z,w"],
            "b": ["u;v", "1"],
        }

    def test_that_may_be_two_is_asked_for(self, tmp_path: Path) -> None:
        content = "x,m;y,m\n1,5;2,5\n"
        with pytest.raises(DataError, match=r"by ',' or by ';'; say which \(data\.table\.sep"):
            read(tmp_path / "a.csv", content)
        found = read(tmp_path / "a.csv", content, separator=";")
        assert found == {"x,m": [1.5], "y,m": [2.5]}

    def test_a_line_for_spreadsheets(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="first line, 'sep=;', is for spreadsheets; remove it"):
            read(tmp_path / "a.csv", "sep=;\na;b\n1;2\n")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_ends_of_lines(self, tmp_path: Path, end: str) -> None:
        for mark in ",;":
            content = TABLE.replace("\n", end).replace(",", mark).encode()
            assert read(tmp_path / "a.csv", content) == ROWS


class TestDecimal:
    @pytest.mark.parametrize("mark", [";", "\t"])
    def test_comma(self, tmp_path: Path, mark: str) -> None:
        content = "x;n\n1,25;3\n-,5;4\n-2,5;\n".replace(";", mark).replace("-,5", "-0,5")
        assert read(tmp_path / "a.csv", content) == {"x": [1.25, -0.5, -2.5], "n": [3, 4, None]}
        assert "numbers such as 1,25 have a comma (data.table.decimal)" in said(tmp_path / "a.csv")

    def test_that_may_separate_thousands_is_no_guess(self, tmp_path: Path) -> None:
        content = "x;n\n1,250;3\n2,500;4\n"
        assert read(tmp_path / "a.csv", content)["x"] == ["1,250", "2,500"]
        assert read(tmp_path / "a.csv", content, decimal=",")["x"] == [1.25, 2.5]


class TestHeader:
    @pytest.mark.parametrize(
        ("content", "names"),
        [
            ("39,private,10.5\n50,state,2\n38,private,3\n", 3),
            ("1.5,2.5\n3,4\n", 2),
            ("5\n6\n9\n", 1),
            ("1,2\n4,9\n8,7\n", 2),
            ("0,1\n1,2\n2,3\n", 2),
        ],
    )
    def test_none_is_found_and_said(self, tmp_path: Path, content: str, names: int) -> None:
        found = read(tmp_path / "a.csv", content)
        assert list(found) == [f"column_{number}" for number in range(1, names + 1)]
        assert len(found["column_1"]) == content.count("\n")
        assert "holds values and not names" in said(tmp_path / "a.csv")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("a,b\n1,2\n", False),
            ("text\n1\n2\n", False),
            (",a\n0,5\n1,6\n", False),
            ("text,label\na,label\nb,label\nc,label\n", False),
            ("review,stars\ngood,x\nbad,y\n", False),
            ("0,1,2\n5,6,3\n7,8,1\n", True),
            ("country,1999,2000\nA,5,9\nB,7,8\n", True),
        ],
    )
    def test_names_are_names(self, tmp_path: Path, content: str, told: bool) -> None:
        assert list(read(tmp_path / "a.csv", content)) == content.split("\n")[0].split(",")
        assert bool(said(tmp_path / "a.csv")) == told

    def test_that_cannot_be_told_is_asked_for(self, tmp_path: Path) -> None:
        content = "a good film,pos\nbad,neg\nfine,pos\ngreat,pos\n"
        with pytest.raises(DataError, match=r"names or values; say which \(data\.table\.header"):
            read(tmp_path / "a.csv", content)
        found = read(tmp_path / "a.csv", content, header=False)
        assert found["column_2"] == ["pos", "neg", "pos", "pos"]
        assert list(read(tmp_path / "a.csv", content, header=True)) == ["a good film", "pos"]


class TestQuotes:
    def test_in_tsv_that_close_nothing(self, tmp_path: Path) -> None:
        rows = ['"Big" pipe\t1', '"5 inch\t2', "plain\t3", 'the 6" one"\t4', '"all ""of"" it"\t5']
        content = "name\tn\n" + "\n".join(rows) + "\n"
        found = read(tmp_path / "a.tsv", content)
        assert found["n"] == [1, 2, 3, 4, 5]
        assert found["name"] == ['"Big" pipe', '"5 inch', "plain", 'the 6" one"', 'all "of" it']
        assert "read as they are (data.table.quotes)" in said(tmp_path / "a.tsv")

    def test_that_would_swallow_rows(self, tmp_path: Path) -> None:
        """The second quote closes the first, by all rules of CSV."""
        content = 'name\tn\n"open\t1\nplain\t2\nclose"\t3\n'
        with pytest.raises(DataError, match=r"\(2 rows\).*\(4 rows\); say which \(data\.table\.q"):
            read(tmp_path / "a.tsv", content)
        assert read(tmp_path / "a.tsv", content, quotes=False)["n"] == [1, 2, 3]

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
    def test_around_several_lines(self, tmp_path: Path, name: str) -> None:
        mark = "," if name == "a.csv" else "\t"
        content = f'text,n\n"one\nand{mark} two",1\n"thr""ee",2\n'.replace(",", mark)
        assert read(tmp_path / name, content)["text"] == [f"one\nand{mark} two", 'thr"ee']
        assert said(tmp_path / name) == ""

    def test_that_are_never_closed(self, tmp_path: Path) -> None:
        content = 'text,n\n"a, b",1\n"open,2\nc,3\n'
        with pytest.raises(DataError, match=r"a quote in line 3 is never closed; .*quotes=false"):
            read(tmp_path / "a.csv", content)

    def test_set(self, tmp_path: Path) -> None:
        content = 'text;n\n"a";1\nb;2\n'
        assert read(tmp_path / "a.csv", content, quotes=True)["text"] == ["a", "b"]
        assert read(tmp_path / "a.csv", content, quotes=False)["text"] == ["a", "b"]

    @given(st.lists(st.text('ab"\t, \n', max_size=6), min_size=1, max_size=5))
    def test_what_the_csv_module_writes_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[str]
    ) -> None:
        import csv

        path = tmp_path_factory.mktemp("quotes") / "a.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("text", "n"), *((value, "x1") for value in values)])
        assert open_table(path).to_pydict()["text"] == values


class TestValues:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (["1", "-", "3"], [1, None, 3]),
            (["1.5", "?", "None"], [1.5, None, None]),
            (["1", " NA ", "null"], [1, None, None]),
            (["007", "012", "100"], ["007", "012", "100"]),
            (["0", "10", "-0.5"], [0.0, 10.0, -0.5]),
            (["0x1F", "12", "3"], ["0x1F", "12", "3"]),
            (["true", "False", "true"], ["true", "False", "true"]),
            (["2020-01-01", "2020-01-02", ""], ["2020-01-01", "2020-01-02", ""]),
        ],
    )
    def test_kinds_of_columns(self, tmp_path: Path, values: list[str], expected: list[Any]) -> None:
        content = "x,y\n" + "".join(f"{value},1.5\n" for value in values)
        assert read(tmp_path / "a.csv", content)["x"] == expected

    def test_missing_texts_are_a_setting(self, tmp_path: Path) -> None:
        content = "x,y\n1,k\n-99,l\n"
        assert read(tmp_path / "a.csv", content, missing=("-99",))["x"] == [1, None]
        assert read(tmp_path / "b.csv", "x,y\n1,k\n-,l\n", missing=())["x"] == ["1", "-"]

    def test_text_stays_as_it_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("x,y\n1,1.50\n2,2\n")
        found = open_table(path, tmp_path / "cache", text=("y",))
        assert found.to_pydict() == {"x": [1, 2], "y": ["1.50", "2"]}
        # Another way to read a file is another file in the cache.
        assert open_table(path, tmp_path / "cache").to_pydict()["y"] == [1.5, 2.0]

    def test_a_date_in_json_lines_is_text(self, tmp_path: Path) -> None:
        found = read(tmp_path / "a.jsonl", '{"day": "2020-01-01"}\n{"day": "2020-01-02"}\n')
        assert found == {"day": ["2020-01-01", "2020-01-02"]}


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("a.parquet", {"separator": ";"}, "separator"),
        ("a.parquet", {"encoding": "utf-8"}, "encoding"),
        ("a.jsonl", {"header": False}, "header"),
    ],
)
def test_a_setting_without_meaning(
    tmp_path: Path, name: str, settings: dict[str, Any], key: str
) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(DataError, match=rf"data\.table\.{key} has no meaning for .*leave it out"):
        open_table(tmp_path / name, form=TableFormat(**settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoding": "utf-9"}, "encoding 'utf-9' is unknown; expected one that Python knows"),
        ({"encoding": "hex"}, "encoding 'hex' is unknown"),
        ({"separator": "§"}, "no ASCII character"),
        ({"separator": '"'}, "no ASCII character"),
        ({"separator": ",", "decimal": ","}, "are both ','"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TableFormat(**settings)


def test_what_is_known_is_not_guessed_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Größe;Ort\n1,5;Köln\n2,5;Bonn\n".encode("cp1252"))
    form, notes = complete_format(path)
    assert len(notes) == 1
    assert "cp1252" in notes[0]
    assert "';'" in notes[0]
    assert complete_format(path, form) == (form, [])
    table = open_table(path, form=form)
    assert table_about(table) == (form, [])
    assert table.to_pydict() == {"Größe": [1.5, 2.5], "Ort": ["Köln", "Bonn"]}


def test_the_cache_knows_what_was_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE.replace(",", ";"))
    first = table_about(open_table(tmp_path / "a.csv", tmp_path / "cache"))
    assert table_about(open_table(tmp_path / "a.csv", tmp_path / "cache")) == first
    assert "';'" in first[1][0]
