"""Sources: text files, tables, folders, docstrings, and what is none of these."""

import ast
import gzip
import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from natlib.data import SourceSplit, Split, notes_of
from natlib.errors import DataError
from natlib_text import Text
from natlib_text.decoding import decode, first_bytes
from natlib_text.line_index import Unit
from natlib_text.sources import find_source

from .corpora import write_lines, write_table

MANY = 1 << 20


def opened(
    source: Path | str,
    split: Split = "train",
    *,
    unit: Unit = "line",
    text: str | None = None,
    label: str | None = None,
    splits: str | None = None,
    cache: Path | None = None,
) -> SourceSplit:
    texts = find_source(str(source), unit, text, label, splits).split(split, cache)
    assert texts is not None
    return texts


def contents(texts: SourceSplit) -> list[str]:
    return [first_bytes(texts.item(index), MANY).decode() for index in range(len(texts))]


def labelled(texts: SourceSplit) -> list[str | None]:
    assert texts.labels is not None
    return [texts.classes[label] if label >= 0 else None for label in texts.labels.tolist()]


class TestTextFile:
    def test_lines_are_named_by_their_number(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("one\n\n  \nfour\nfive")
        texts = opened(tmp_path / "notes.txt")
        assert contents(texts) == ["one", "four", "five"]
        assert list(texts.names) == ["notes.txt-1", "notes.txt-4", "notes.txt-5"]
        assert texts.labels is None
        source = find_source(str(tmp_path / "notes.txt"), "line", None, None, None)
        assert source.split("val", None) is source.split("test", None) is None

    @pytest.mark.parametrize("unit", ["line", "paragraph"])
    def test_encodings_are_found_said_or_set(self, tmp_path: Path, unit: Unit) -> None:
        content = "café à la crème\n\nein Übel\n"
        file = tmp_path / "a.txt"
        file.write_bytes(content.encode("cp1252"))
        texts = find_source(str(file), unit, None, None, None).split("train", None)
        assert texts is not None
        assert [decode(texts.item(i), 99) for i in (0, 1)] == ["café à la crème", "ein Übel"]
        assert notes_of(texts) == [f"{file}: not UTF-8, so read as cp1252 (data.encoding)"]
        file.write_bytes("дом\n\nдля".encode("koi8-r"))
        chosen = find_source(str(file), unit, None, None, None, encoding="koi8-r")
        texts = chosen.split("train", None)
        assert texts is not None
        assert [decode(texts.item(i), 99) for i in (0, 1)] == ["дом", "для"]
        assert notes_of(texts) == []
        with pytest.raises(DataError, match=r"data\.encoding: .*koi8_r reads 'дом"):
            find_source(str(file), unit, None, None, None).split("train", None)

    def test_paragraphs(self, tmp_path: Path) -> None:
        (tmp_path / "notes.TXT").write_text("\none\ntwo\n\n\nsix\n")
        texts = opened(tmp_path / "notes.TXT", unit="paragraph")
        assert contents(texts) == ["one\ntwo", "six"]
        assert list(texts.names) == ["notes.TXT-2", "notes.TXT-6"]

    def test_only_the_beginning_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_bytes(b"x" * 1000 + b"\ny\n")
        texts = opened(tmp_path / "a.txt")
        assert [len(first_bytes(texts.item(0), 9)), len(first_bytes(texts.item(1), 9))] == [10, 1]

    @pytest.mark.parametrize("content", [b"", b" \n\t\n"])
    def test_nothing_in_it(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.txt").write_bytes(content)
        with pytest.raises(DataError, match="holds nothing but white space"):
            opened(tmp_path / "a.txt")

    def test_digest_is_of_the_content(self, tmp_path: Path) -> None:
        path = write_lines(tmp_path / "a.txt")
        before = opened(path).digest()
        assert opened(path).digest() == before
        path.write_text(path.read_text().replace("0.", "9.", 1))
        assert opened(path).digest() != before


class TestTable:
    def test_columns_are_found_by_their_names(self, tmp_path: Path) -> None:
        path = write_table(tmp_path / "a.csv", 8)
        train, test = opened(path), opened(path, "test")
        assert list(train.names) == [f"a.csv-{row}" for row in (0, 1, 2, 4, 5, 6)]
        assert list(test.names) == ["a.csv-3", "a.csv-7"]
        assert train.classes == test.classes == ["bread", "sea", "stars"]
        assert labelled(train) == ["bread", "sea", "stars", "sea", "stars", "bread"]
        assert labelled(test) == ["bread", "sea"]
        source = find_source(str(path), "line", None, None, None)
        assert source.split("val", None) is None

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv", "a.jsonl", "a.jsonl.gz", "a.parquet"])
    def test_formats(self, tmp_path: Path, name: str) -> None:
        rows = [{"body": "one, two", "kind": "x"}, {"body": "three", "kind": "y"}]
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        else:
            if "jsonl" in name:
                content = "".join(json.dumps(row) + "\n" for row in rows)
            elif "tsv" in name:
                content = "body\tkind\none, two\tx\nthree\ty\n"
            else:
                content = 'body,kind\n"one, two",x\nthree,y\n'
            data = content.encode()
            (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        for cache in (None, tmp_path / "cache"):
            texts = opened(tmp_path / name, text="body", label="kind", cache=cache)
            assert contents(texts) == ["one, two", "three"]
            assert labelled(texts) == ["x", "y"]

    def test_a_single_column_is_the_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("review\ngood\nbad\n")
        texts = opened(tmp_path / "a.csv")
        assert contents(texts) == ["good", "bad"]
        assert texts.labels is None

    def test_only_the_beginning_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text(f"text\n{'x' * 100_000}\n")
        assert len(first_bytes(opened(tmp_path / "a.csv").item(0), 9)) == 10

    def test_missing_texts_and_labels(self, tmp_path: Path) -> None:
        rows = [
            {"text": "a", "label": "x"},
            {"text": None, "label": ""},
            {"text": "", "label": None},
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
        texts = opened(tmp_path / "a.parquet")
        assert contents(texts) == ["a", "", ""]
        assert labelled(texts) == ["x", None, None]

    @pytest.mark.parametrize(
        ("labels", "classes", "numbers"),
        [
            (["10", "9", "-1"], ["9", "10"], [1, 0, -1]),
            (["1", "", "3"], ["1", "3"], [0, -1, 1]),
            (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
            (["007", "9", "007"], ["007", "9"], [0, 1, 0]),
        ],
    )
    def test_labels_have_their_natural_order(
        self, tmp_path: Path, labels: list[str], classes: list[str], numbers: list[int]
    ) -> None:
        rows = "".join(f"t{label},{label}\n" for label in labels)
        (tmp_path / "a.csv").write_text("text,label\n" + rows)
        texts = opened(tmp_path / "a.csv")
        assert texts.labels is not None
        assert (texts.classes, texts.labels.tolist()) == (classes, numbers)

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"text": "txet"}, r"no column 'txet' \(data\.column\); did you mean 'text'\?"),
            ({"label": "lable"}, r"no column 'lable' \(data\.label\); did you mean 'label'\?"),
            ({"splits": "fold"}, r"no column 'fold' \(data\.split\); expected one of"),
        ],
    )
    def test_a_column_that_is_not_there(
        self, tmp_path: Path, asked: dict[str, str], message: str
    ) -> None:
        path = write_table(tmp_path / "a.csv", 8)
        with pytest.raises(DataError, match=message):
            opened(path, **asked)  # type: ignore[arg-type]

    def test_no_column_that_could_be_the_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("title,body\na,b\n")
        with pytest.raises(DataError, match=r"name the one .* one of: title, body"):
            opened(tmp_path / "a.csv")

    def test_a_column_of_numbers(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"'text' .* holds int64; expected text"):
            opened(tmp_path / "a.parquet")
        # In a CSV file, a text may look like a number, with its neighbours or without.
        (tmp_path / "a.csv").write_text("text\n1984\n01\n")
        assert contents(opened(tmp_path / "a.csv")) == ["1984", "01"]

    def test_an_index_of_pandas_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("Unnamed: 0,review\n0,good\n1,bad\n")
        texts = opened(tmp_path / "a.csv")
        assert contents(texts) == ["good", "bad"]
        assert "texts are in column 'review' (data.column)" in notes_of(texts)[0]

    def test_how_a_table_is_written(self, tmp_path: Path) -> None:
        rows = "text;label\nschön;None\nhübsch;a\nfein;\n"
        (tmp_path / "a.csv").write_bytes(rows.encode("cp1252"))
        texts = opened(tmp_path / "a.csv")
        assert contents(texts) == ["schön", "hübsch", "fein"]
        assert labelled(texts) == [None, "a", None]
        guessed, label = notes_of(texts)
        assert "cp1252" in guessed
        assert "';'" in guessed
        assert "'None' means that there is no label (1 row;" in label
        source = Text(source=str(tmp_path / "a.csv"), table={"missing": [""]}, vocabulary=300)
        samples = source.resolved().dataset("train")
        assert samples is not None
        assert samples.classes == ["None", "a"]

    def test_no_row_to_train_on(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("text,split\na,test\n")
        with pytest.raises(DataError, match=r"no row of .* has 'split' train"):
            opened(tmp_path / "a.csv")

    def test_digest_is_of_the_content(self, tmp_path: Path) -> None:
        path = write_table(tmp_path / "a.csv")
        before = opened(path).digest()
        assert opened(path, cache=tmp_path / "cache").digest() == before
        assert opened(path, "test").digest() != before
        path.write_text(path.read_text().replace(" 0.", " 9."))
        assert opened(path).digest() != before


class TestFolder:
    def test_files_class_folders_and_splits(self, tmp_path: Path) -> None:
        for name in (
            "train/a/1.txt",
            "train/b/2.TXT",
            "test/a/3.txt",
            "test/b/4.txt",
            "train/a/5.csv",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"text of {name}")
        train, test = opened(tmp_path), opened(tmp_path, "test")
        assert contents(train) == ["text of train/a/1.txt", "text of train/b/2.TXT"]
        assert list(train.names) == ["a/1.txt", "b/2.TXT"]
        assert labelled(train) == ["a", "b"]
        assert test.classes == ["a", "b"]
        assert first_bytes(train.item(0), 3) == b"text"
        source = find_source(str(tmp_path), "line", None, None, None)
        assert source.split("val", None) is None

    def test_no_texts(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no texts in .*; expected files that end in txt"):
            opened(tmp_path)


class TestDocstrings:
    def test_the_split_is_fixed_and_stratified(self) -> None:
        train, test = opened("docstrings"), opened("docstrings", "test")
        assert len(train) + len(test) > 1500
        assert 10 <= len(train.classes) <= 30
        assert not set(train.names) & set(test.names)
        assert train.labels is not None
        assert test.labels is not None
        for label in range(len(train.classes)):
            own = int((train.labels == label).sum() + (test.labels == label).sum())
            assert own >= 80
            assert int((test.labels == label).sum()) == -(-own // 5)
        source = find_source(None, "line", None, None, None)
        assert source.split("val", None) is None
        again = source.split("train", None)
        assert again is not None
        assert again.digest() == train.digest() != test.digest()

    def test_they_are_those_of_the_source_files(self) -> None:
        texts = opened("docstrings")
        for index in range(0, len(texts), 97):
            name, text = texts.names[index], first_bytes(texts.item(index), MANY).decode()
            # The longest part of the name that is a module, found without importing it.
            package = name.split(".")[0]
            assert labelled(texts)[index] == package
            spec = importlib.util.find_spec(package)
            assert spec is not None
            assert spec.origin is not None
            origin = Path(spec.origin)
            folder = origin.parent if origin.name == "__init__.py" else None
            files = sorted(folder.rglob("*.py")) if folder else [origin]
            found = False
            words = text.split()[0].encode()
            for file in (file for file in files if words in file.read_bytes()):
                tree = ast.parse(file.read_bytes())
                found = found or any(
                    ast.get_docstring(node) == text
                    for node in ast.walk(tree)
                    if isinstance(
                        node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                    )
                )
            assert found, name


class TestUnknown:
    def test_a_name_that_is_nearly_one(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"'docstring' is neither .* mean 'docstrings'\?"):
            find_source("docstring", "line", None, None, None)
        write_lines(tmp_path / "notes.txt")
        with pytest.raises(DataError, match=r"did you mean '.*/notes\.txt'\?"):
            find_source(str(tmp_path / "nots.txt"), "line", None, None, None)

    @pytest.mark.parametrize(
        ("name", "hint"), [("a.txt.gz", "unpack it"), ("a.doc", "rename or convert it")]
    )
    def test_another_kind_of_file(self, tmp_path: Path, name: str, hint: str) -> None:
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=rf"another kind of file; expected a \.txt .*{hint}"):
            find_source(str(tmp_path / name), "line", None, None, None)
