"""The index of a text file: an oracle reads the whole file at once."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from natlib.errors import DataError
from natlib_text import line_index
from natlib_text.line_index import Unit, index_lines

CONTENT = st.lists(
    st.sampled_from([b"a", b"bc d", b"\n", b"\n\n", b"\r\n", b" ", b"\t", "ä☃".encode(), b"\x00"]),
    max_size=30,
).map(b"".join)


def expected(content: bytes, unit: Unit) -> list[tuple[int, bytes]]:
    """Line number and text of every sample."""
    found: list[tuple[int, bytes]] = []
    blank_before = True
    for number, line in enumerate(content.split(b"\n"), start=1):
        blank = not line.strip(b" \t\n\r\x0b\x0c")
        if not blank and (unit == "line" or blank_before):
            found.append((number, line))
        elif not blank:
            found[-1] = (found[-1][0], found[-1][1] + b"\n" + line)
        blank_before = blank
    return found


def samples(path: Path, unit: Unit, cache: Path | None = None) -> list[tuple[int, bytes]]:
    index, content = index_lines(path, unit, cache), path.read_bytes()
    return [
        (line, content[start:end])
        for line, start, end in zip(
            index.lines.tolist(), index.starts.tolist(), index.ends.tolist(), strict=True
        )
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text") / "a.txt"


@pytest.mark.parametrize("unit", ["line", "paragraph"])
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
@given(content=CONTENT)
def test_agrees_with_reading_the_whole_file(
    file: Path, unit: Unit, block: int, content: bytes
) -> None:
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_index, "_BLOCK", block)
        assert samples(file, unit) == expected(content, unit)


def test_paragraphs_keep_their_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n \nthree\n")
    assert samples(tmp_path / "a.txt", "paragraph") == [(1, b"one\ntwo"), (4, b"three")]


def test_a_file_larger_than_a_block_is_never_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_index, "_BLOCK", 1000)
    lines = [f"line {number} " + "x" * (number % 50) for number in range(2000)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    found = samples(tmp_path / "a.txt", "line")
    assert [text.decode() for _, text in found] == lines


class TestCache:
    def test_is_read_and_follows_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, cache = tmp_path / "a.txt", tmp_path / "cache"
        path.write_text("one\ntwo\n")
        first = samples(path, "line", cache)
        with monkeypatch.context() as patch:
            patch.setattr(line_index, "_index", lambda *_: pytest.fail("read anew"))
            assert samples(path, "line", cache) == first
        path.write_text("one\ntwo\nthree\n")
        assert samples(path, "line", cache)[2] == (3, b"three")
        # A paragraph is something else.
        assert len(samples(path, "paragraph", cache)) == 1

    def test_is_made_anew_if_damaged(self, tmp_path: Path) -> None:
        path, cache = tmp_path / "a.txt", tmp_path / "cache"
        path.write_text("one\ntwo\n")
        first = samples(path, "line", cache)
        (kept,) = cache.iterdir()
        for damaged in (kept.read_bytes()[:40], b"", b"text"):
            kept.write_bytes(damaged)
            assert samples(path, "line", cache) == first

    def test_is_done_without_if_it_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one")
        assert samples(tmp_path / "a.txt", "line", tmp_path / "a.txt" / "c") == [(1, b"one")]


def test_an_empty_file_has_no_samples(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    index = index_lines(tmp_path / "a.txt", "line")
    assert [len(part) for part in (index.starts, index.ends, index.lines)] == [0, 0, 0]
    assert index.starts.dtype == np.int64


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"cannot read {tmp_path / 'gone.txt'}: No such")):
        index_lines(tmp_path / "gone.txt", "line")
