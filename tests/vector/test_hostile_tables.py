"""Tables made up of what goes wrong in tables: read, or refused in one line."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from natlib.errors import DataError
from natlib_text.sources import find_source
from natlib_vector import Vector

CELLS = [
    "1", "2.5", "-1", "NA", "None", "", "007", "x", "é", '"q"', '"', '5"', "2020-01-01", "1,5",
    "true", "-", "0x1F", "inf", "1e400", "9" * 30, "[1]", "a;b", "a\tb", "\u2028", "\0", "train",
]  # fmt: skip
NAMES = ["x", "y", "label", "split", "text", "Unnamed: 0", "", "0", "1"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    width = draw(st.integers(1, 3))
    columns = [draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4)) for _ in range(width)]
    rows = [[draw(st.sampled_from(NAMES)) for _ in range(width)]]
    for number in range(draw(st.integers(0, 6))):
        rows.append([column[number % len(column)] for column in columns])
    mark, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    content = end.join(mark.join(row) for row in rows).encode(
        draw(st.sampled_from(ENCODINGS)), "replace"
    )
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.binary(max_size=1)) + content[at:]


def read_rows(path: Path) -> None:
    modality = Vector(source=str(path)).resolved()
    samples = modality.dataset("train")
    assert samples is not None
    batch = modality.collate([samples[index] for index in range(len(samples))])
    assert modality.plain(batch).isfinite().all()


def read_texts(path: Path) -> None:
    texts = find_source(str(path), "line", None, None, None).split("train", None)
    assert texts is not None
    assert all(isinstance(bytes(texts.item(row)), bytes) for row in range(len(texts)))


def refusal(read: Callable[[Path], None], path: Path) -> str | None:
    try:
        read(path)
    except DataError as error:
        return str(error)
    return None


@settings(max_examples=80)
@given(tables(), st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
def test_read_or_refused(content: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{kind}"
        path.write_bytes(content)
        for read in (read_rows, read_texts):
            said = refusal(read, path)
            assert said is None or str(path) in said or "the column" in said
