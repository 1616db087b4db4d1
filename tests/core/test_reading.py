"""Files that somebody else made: never more memory than said, never a wait, always one error."""

import ast
import gzip
import io
import json
import os
import random
import socket
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import ones

from natlib.data.tables import column_names, open_table
from natlib.errors import DataError
from natlib.runtime import reading, tensors, unpacking
from natlib.runtime.reading import MIB, open_file, parse_json, read_bytes, read_json, read_text
from natlib.runtime.tensors import read_tensors
from natlib.runtime.unpacking import NpzFile, open_gzip

ROOT = Path(__file__).parents[2]


def _unpacked(path: Path) -> bytes:
    with open_gzip(path) as file:
        return file.read()


READERS: dict[str, Callable[[Path], Any]] = {
    "bytes": read_bytes,
    "text": read_text,
    "json": read_json,
    "tensors": read_tensors,
    "npz": NpzFile,
    "gzip": _unpacked,
}
EACH = pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())


@EACH
def test_what_is_no_file_is_not_opened(
    read: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        server.bind("socket")
        for name, what in (
            ("pipe", "a named pipe"),
            ("link", "a named pipe"),
            ("folder", "a folder"),
            ("socket", "a socket"),
            ("/dev/zero", "a device"),
        ):
            with pytest.raises(OSError, match=what):
                read(tmp_path / name)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(reading, "check_file", lambda path: 0)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    with pytest.raises(OSError, match="a named pipe"):
        open_file(tmp_path / "pipe")
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, read_tensors])
def test_a_file_with_holes_is_not_read_whole(
    read: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(tensors, "_memory", lambda: 1 << 38)
    with pytest.raises(OSError, match=r"larger than 16 MiB|has 1024 GiB, and this machine 256"):
        read(tmp_path / "holes")


def test_a_limit_is_what_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * MIB)
    assert len(read_bytes(tmp_path / "a", MIB)) == MIB
    (tmp_path / "a").write_bytes(b"x" * (MIB + 1))
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_bytes(tmp_path / "a", MIB)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_text(tmp_path / "a") == "[1]"
    assert read_json(tmp_path / "a") == [1]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 101 + "]" * 101,
        '{"a":' * 101 + "1" + "}" * 101,
        '[{"a":' * 60 + "1" + "}]" * 60,
        "[1" + "0" * 6000 + "]",
        "{",
        "",
        "nul",
    ],
)
def test_what_is_no_json_or_too_deep_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (texts of the standard library)
        parse_json(text)


def test_a_hundred_levels_are_read() -> None:
    value = parse_json("[" * 100 + "]" * 100)
    assert json.dumps(value) == "[" * 100 + "]" * 100
    assert parse_json('{"a": [1, {"b": null}], "c": NaN}')["a"] == [1, {"b": None}]


def test_tensors_are_what_was_saved_and_a_header_promises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": ones(2, 3)}, path)
    assert read_tensors(path)["a"].shape == (2, 3)
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
    for content in (
        struct.pack("<Q", len(header)) + header.encode() + b"\0" * 24,
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 20_000) + b"[" * 20_000,
        path.read_bytes()[:-1],
        b"",
    ):
        path.write_bytes(content)
        with pytest.raises(SafetensorError):
            read_tensors(path)


class TestGzip:
    def test_content_is_read_in_lines(self, tmp_path: Path) -> None:
        lines = [b"%d\n" % number for number in range(100_000)]
        (tmp_path / "a.gz").write_bytes(gzip.compress(b"".join(lines)))
        with open_gzip(tmp_path / "a.gz") as file:
            assert file.readline() == lines[0]
            assert list(file) == lines[1:]

    def test_a_bomb_is_unpacked_up_to_the_limit(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"0" * (8 * MIB))
        assert 20 * len(packed) < MIB
        (tmp_path / "a.gz").write_bytes(packed)
        blocks: list[bytes] = []

        def unpack(block: Callable[[BinaryIO], bytes]) -> None:
            with open_gzip(tmp_path / "a.gz", times=20, always=MIB) as file:
                blocks.extend(iter(lambda: block(file), b""))

        # Piece by piece, and a line without an end.
        for block in (lambda file: file.read(1000), lambda file: file.readline()):
            with pytest.raises(OSError, match="unpacks to far more"):
                unpack(block)
        assert 0 < sum(map(len, blocks)) <= 2 * MIB
        with open_gzip(tmp_path / "a.gz", always=8 * MIB) as file:
            assert len(file.read()) == 8 * MIB

    @pytest.mark.parametrize("change", [lambda c: c[:-9], lambda c: c[:12] + b"\xff" * 9 + c[21:]])
    def test_damage_is_an_error(self, change: Callable[[bytes], bytes], tmp_path: Path) -> None:
        content = gzip.compress(np.random.default_rng(0).bytes(1000))
        (tmp_path / "a.gz").write_bytes(change(content))
        with pytest.raises((OSError, EOFError)):
            _unpacked(tmp_path / "a.gz")


class TestNpz:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        np.savez_compressed(
            tmp_path / "a.npz",
            a=np.arange(6).reshape(2, 3),
            b=np.array(["x", "yz"]),
            c=np.float32(1),
        )
        return tmp_path / "a.npz"

    def test_arrays_are_what_was_saved(self, path: Path) -> None:
        with NpzFile(path) as file:
            assert list(file) == ["a", "b", "c"]
            assert "a" in file
            assert "d" not in file
            assert np.array_equal(file["a"], [[0, 1, 2], [3, 4, 5]])
            assert file["b"].tolist() == ["x", "yz"]
            assert file["c"] == 1
            with pytest.raises(KeyError):
                file["d"]

    def test_a_bomb_is_not_unpacked(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        np.savez_compressed(path, a=np.zeros(10 * MIB, np.uint8))
        with NpzFile(path) as file:
            assert not file["a"].any()
        monkeypatch.setattr(unpacking, "_ALWAYS", MIB)
        with (
            NpzFile(path) as file,
            pytest.raises(ValueError, match=r"unpacks from .* to 10,485,888"),
        ):
            file["a"]

    @pytest.mark.parametrize("shape", ["(1000000000000,)", "(7,)", "(-6,)", "()", f"({10**30},)"])
    def test_a_shape_that_lies_allocates_nothing(self, path: Path, shape: str) -> None:
        header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content + b"\0" * 48)
        with (
            NpzFile(path) as file,
            pytest.raises(ValueError, match=r"takes .* bytes, and it has 48"),
        ):
            file["a"]

    def test_sizes_in_the_directory_that_lie_unpack_no_more(self, path: Path) -> None:
        packed = io.BytesIO()
        np.save(packed, np.zeros(MIB, np.uint8))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", packed.getvalue())
        content = path.read_bytes()
        size = struct.pack("<I", len(packed.getvalue()))
        assert content.count(size) == 2
        path.write_bytes(content.replace(size, struct.pack("<I", 1128)))
        with NpzFile(path) as file, pytest.raises(ValueError, match="Bad CRC-32"):
            file["a"]

    @pytest.mark.parametrize(
        "array", [np.array([{}, 1], dtype=object), np.zeros(2, [("é", "i4"), ("b", "O")])]
    )
    def test_nothing_is_unpickled(self, path: Path, array: Any) -> None:
        np.savez(path, a=array, allow_pickle=True)
        with NpzFile(path) as file, pytest.raises(ValueError, match=r"Python objects|fields with"):
            file["a"]

    def test_damage_anywhere_is_one_of_two_errors(self, path: Path) -> None:
        whole = path.read_bytes()
        seed = 7
        chance = random.Random(seed)
        for number in range(300):
            content = bytearray(whole)
            for _ in range(chance.choice((1, 3))):
                content[chance.randrange(len(content))] = chance.randrange(256)
            if number % 5 == 0:
                del content[chance.randrange(len(whole)) :]
            path.write_bytes(content)
            try:
                with NpzFile(path) as file:
                    for name in file:
                        file[name]
            except (OSError, ValueError):
                pass


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_a_table_is_unpacked_up_to_the_limit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b'{"text": "word"}\n' if "json" in name else b"word\n"
    (tmp_path / name).write_bytes(gzip.compress(b"text\n" * ("csv" in name) + line * 50_000))
    assert len(open_table(tmp_path / name)) == 50_000
    monkeypatch.setattr("natlib.data.table_csv.most_unpacked", lambda path: 10_000)
    monkeypatch.setattr(
        "natlib.data.table_encoding.open_gzip", partial(open_gzip, times=1, always=10_000)
    )
    with pytest.raises(DataError, match="unpacks to far more"):
        open_table(tmp_path / name)


def test_a_parquet_file_is_unpacked_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.parquet"
    # One long text, of which every row has a number; and numbers, which are packed as a whole.
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), ["x" * 1_000])
    many = pa.array(range(100_000))
    for values in (one, many):
        pq.write_table(pa.table({"text": values}), file, compression="zstd", use_dictionary=True)
        monkeypatch.undo()
        assert len(open_table(file)) == len(values)
        assert file.stat().st_size < 10_000 or values is many
        os.utime(file, ns=(0, values.nbytes))  # another file: nothing of the first is taken
        monkeypatch.setattr("natlib.data.table_readers.most_unpacked", lambda path: 500_000)
        with pytest.raises(DataError, match="unpacks to far more than its size; write it again"):
            open_table(file)


def test_blocks_of_parquet_are_joined(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(40_000)}), tmp_path / "a.parquet")
    column = open_table(tmp_path / "a.parquet").column("n")
    assert column.to_pylist() == list(range(40_000))
    assert column.num_chunks == 3


@pytest.mark.parametrize(
    "line",
    ['{"text": "a", "b": ' + "[" * 200_000 + "]" * 200_000 + "}", '{"text": ' * 200_000 + "1",
     '{"text": ' + "[" * 200_000, '{"text": ' * 101 + "1" + "}" * 101],
    ids=["lists", "objects", "open", "just too deep"],
)  # fmt: skip
def test_a_table_of_nests_is_refused(line: str, tmp_path: Path) -> None:
    """Arrow would crash the process."""
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n' + line + "\n")
    for read in (open_table, column_names):
        with pytest.raises(DataError, match="more than 100 levels"):
            read(tmp_path / "a.jsonl")


def test_brackets_in_texts_are_no_levels(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "[{" * 200, "n": [[1]] * 200}) + "\n")
    assert open_table(tmp_path / "a.jsonl").column("text").to_pylist() == ["[{" * 200]


ALLOWED = {
    # Others see a file only after it has been checked, and never a folder of models.
    "natlib/runtime/tensors.py": {"load_file"},
    "natlib/runtime/unpacking.py": {"GzipFile", "ZipFile"},
    "natlib/encoders/pretrained/models.py": {"from_config", "from_pretrained"},
    # What it pickles itself, to see whether worker processes can.
    "natlib/testing/modality_samples.py": {"loads"},
}
UNSAFE = {
    "GzipFile", "Popen", "Unpickler", "ZipFile", "eval", "exec", "extractall", "from_config",
    "from_pretrained", "hf_hub_download", "load_file", "load_state_dict_from_url", "read_pickle",
    "snapshot_download", "system", "unpack_archive", "urlopen", "urlretrieve",
}  # fmt: skip


def test_strangers_files_are_opened_in_the_places_that_bound_them() -> None:
    found: dict[str, set[str]] = {}
    for folder in ("natlib", "adapters", "cli"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                name = _unsafe(node)
                if name is not None:
                    found.setdefault(str(file.relative_to(ROOT)), set()).add(name)
    assert {
        k: v - ALLOWED.get(k, set()) for k, v in found.items() if v - ALLOWED.get(k, set())
    } == {}


def _unsafe(node: ast.AST) -> str | None:
    """The name of a function that is called and that opens, unpacks or runs more than data."""
    if not isinstance(node, ast.Call):
        return None
    if any(k.arg == "mode" and ast.literal_eval(k.value) == "wb" for k in node.keywords):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id if node.func.id in UNSAFE else None
    if not isinstance(node.func, ast.Attribute):
        return None
    module = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    name = node.func.attr
    if module in {"torch", "pickle", "joblib", "json", "yaml", "dill"} and name in {
        "load",
        "loads",
    }:
        return None if (module, name) == ("json", "loads") else name
    if module in {"np", "numpy"} and name == "load":
        pickles = [k.value for k in node.keywords if k.arg == "allow_pickle"]
        return None if pickles and ast.literal_eval(pickles[0]) is False else "np.load"
    if (module, name) in {("gzip", "open"), ("bz2", "open"), ("lzma", "open"), ("tarfile", "open")}:
        return f"{module}.open"
    # module.eval() is a mode of torch's.
    return name if name in UNSAFE - {"eval"} else None
