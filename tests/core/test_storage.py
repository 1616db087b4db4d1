"""Files and folders that are written beside and renamed, and what a kill leaves of them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from natlib.data.files import write_arrays
from natlib.runtime import storage


@pytest.fixture(params=[0o077, 0o027, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_may_be_read_by_whom_the_umask_says(umask: int, tmp_path: Path) -> None:
    storage.write_file(tmp_path / "text", "text")
    with storage.new_folder(tmp_path / "folder") as partial:
        storage.save_tensors({"a": torch.zeros(2)}, partial / "tensors.safetensors")
    write_arrays(tmp_path / "arrays.npz", a=np.zeros(2))
    for path in tmp_path.rglob("*"):
        all_may = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == all_may & ~umask, path


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    storage.write_file(file, "old")
    storage.write_files(folder, {"a": b"old"})

    def fail(error: type[BaseException]) -> None:
        with storage.new_file(file) as stream:
            stream.write(b"new")
            with storage.new_folder(folder) as partial:
                (partial / "b").write_bytes(b"new")
                raise error

    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error):
            fail(error)
    assert file.read_text() == "old"
    assert storage.read_files(folder) == {"a": b"old"}
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_windows_needs_no_flush_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("natlib.runtime.storage.os.open", refuse)
    with pytest.raises(PermissionError):
        storage.flush(tmp_path)
    monkeypatch.setattr("natlib.runtime.storage._IS_WINDOWS", True)
    storage.flush(tmp_path)
    with pytest.raises(PermissionError):
        storage.flush(tmp_path / "file")


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis").write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    for name in ("file", "folder", "removed", "deleted"):
        (run / name).symlink_to(tmp_path / "elsewhere" / ("thesis" if name == "file" else ""))
    storage.write_file(run / "file", "new")
    storage.write_files(run / "folder", {"a": b"new"})
    storage.remove(run / "removed")
    storage.delete(run / "deleted")
    assert (tmp_path / "elsewhere" / "thesis").read_text() == "mine"
    assert {path.name for path in run.iterdir()} == {"file", "folder"}
    assert not any(path.is_symlink() for path in run.iterdir())


def test_settling_finishes_what_was_begun_and_touches_nothing_else(tmp_path: Path) -> None:
    def folder(name: str, content: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)

    folder("model", "new")
    folder(".model.previous", "old")
    folder(".step-1.previous", "the only one")
    folder(".step-2.removed", "half")
    folder(".step-3.partial", "half")
    (tmp_path / ".run.json.4711.partial").write_text("half")
    mine = [".hidden", "a.partial", ".removed", ".previous"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    storage.settle(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "step-1", *mine}
    assert (tmp_path / "model" / "file").read_text() == "new"
    assert (tmp_path / "step-1" / "file").read_text() == "the only one"
    storage.settle(tmp_path / "absent")
