"""Targets from a file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from natlib.configuration import describe
from natlib.errors import ConfigError
from natlib.targets import FromArray, Mixture, Prototypes, TargetDistribution


@pytest.fixture
def array() -> Any:
    return np.random.default_rng(0).normal(size=(50, 6))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
def test_rows_are_those_of_the_file(array: Any, dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "targets.npy"
    np.save(path, array.astype(dtype))
    targets = TargetDistribution.resolve(
        {"kind": "from_array", "path": str(path), "normalise": False}
    )
    assert targets.dim == 6
    assert not targets.on_sphere
    slot = torch.tensor([[0, 49], [50, 2**62]])
    rows = targets.rows(slot, torch.float64)
    expected = array.astype(dtype).astype("f8")[[0, 49, 0, 2**62 % 50]]
    assert torch.equal(rows.view(4, 6), torch.from_numpy(expected))
    unit = FromArray(path=path)
    assert unit.on_sphere
    torch.testing.assert_close(
        unit.rows(slot, torch.float64), torch.nn.functional.normalize(rows, dim=-1)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_save_takes_tensors(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = torch.randn(9, 4, requires_grad=True).to(dtype)
    targets = FromArray.save(tensor, tmp_path / "a.npy", normalise=False)
    assert torch.equal(targets.rows(torch.arange(9)), tensor.detach().float())
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npy"]


def test_a_fortran_array_works(array: Any, tmp_path: Path) -> None:
    targets = FromArray.save(np.asfortranarray(array), tmp_path / "a.npy", normalise=False)
    rows = targets.rows(torch.arange(50), torch.float64)
    assert torch.equal(rows, torch.from_numpy(array))


def test_only_the_requested_rows_are_read(tmp_path: Path) -> None:
    # 4 TiB that are not there: a sparse file.
    path = tmp_path / "large.npy"
    large = np.lib.format.open_memmap(path, mode="w+", dtype="f4", shape=(2**30, 1024))
    large[2**30 - 1] = 2.0
    large.flush()
    targets = FromArray(path=path, normalise=False)
    assert targets.dim == 1024
    rows = targets.rows(torch.tensor([2**30 - 1, 2**31 - 1, 5]))
    assert rows.sum(-1).tolist() == [2048.0, 2048.0, 0.0]


def complaint(values: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        FromArray.model_validate(values)
    text = describe(caught.value)
    assert "\n" not in text
    return text


def test_dim_is_checked(array: Any, tmp_path: Path) -> None:
    targets = FromArray.save(array, tmp_path / "a.npy")
    assert FromArray(path=targets.path, dim=6) == targets
    text = complaint({"path": targets.path, "dim": 7})
    assert "has rows of 6 numbers and dim is 7; leave dim out or set it to 6" in text
    assert "path" in complaint({})
    assert "'from_array' do not depend on one; leave it" in complaint(
        {"path": targets.path, "seed": 3}
    )
    start = Prototypes(start=targets, dim=6, seed=3).start
    assert start == targets
    assert Prototypes(start=targets, dim=6, count=3).rows(torch.arange(3)).shape == (3, 6)
    with pytest.raises(
        ValidationError, match="dim of 'from_array' is 6, and inside mixture it has"
    ):
        Mixture(components=(targets,))


def test_a_relative_path_becomes_absolute(
    array: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    targets = FromArray.save(array, "a.npy")
    before = targets.rows(torch.arange(3))
    monkeypatch.chdir("/")
    assert torch.equal(
        FromArray.model_validate_json(targets.model_dump_json()).rows(torch.arange(3)), before
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array[:-1],
        lambda array: array.astype("f4"),
        lambda array: np.vstack([array[:-1], array[:1]]),
        lambda array: array[::-1],
    ],
)
def test_a_run_does_not_resume_with_another_file(array: Any, change: Any, tmp_path: Path) -> None:
    targets = FromArray.save(array, tmp_path / "a.npy")
    saved = targets.model_dump(mode="json")
    FromArray.save(change(array), tmp_path / "a.npy")
    text = complaint(saved)
    assert "is not the file that this run began with" in text
    # The same rows in another place are fine.
    other = FromArray.save(array, tmp_path / "b.npy")
    moved = FromArray.model_validate(saved | {"path": other.path})
    assert torch.equal(moved.rows(torch.arange(50)), other.rows(torch.arange(50)))


def test_a_model_can_be_loaded_without_the_file(array: Any, tmp_path: Path) -> None:
    targets = FromArray.save(array, tmp_path / "a.npy")
    saved = targets.model_dump(mode="json")
    targets.path.rename(tmp_path / "b.npy")
    loaded = FromArray.model_validate(saved)
    assert loaded == targets
    with pytest.raises(ConfigError, match=r"cannot read targets from .*No such file"):
        loaded.rows(torch.arange(3))


def unreadable(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\x01\x00rubbish")


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: None, "cannot read targets from .*No such file"),
        (lambda path: path.mkdir(), "cannot read targets from .*it is a folder"),
        (os.mkfifo, "cannot read targets from .*it is a named pipe"),
        (lambda path: path.write_text("1 2 3"), "cannot read targets from"),
        (lambda path: path.write_bytes(b""), "cannot read targets from"),
        (unreadable, "cannot read targets from"),
        (lambda path: np.save(path, np.ones(5)), r"has the shape \(5,\); expected \[n, d\]"),
        (lambda path: np.save(path, np.ones((2, 2, 2))), r"has the shape \(2, 2, 2\)"),
        (lambda path: np.save(path, np.ones((0, 2))), r"has the shape \(0, 2\)"),
        (lambda path: np.save(path, np.ones((2, 2), dtype=int)), "holds int64; expected floating"),
        (lambda path: np.save(path, np.ones((2, 2), dtype=complex)), "holds complex128"),
        (lambda path: np.save(path, np.array([["a", "b"]])), "holds <U1"),
        (lambda path: np.save(path, np.array([[{}, 1]], dtype=object), allow_pickle=True),
         "cannot read targets from"),
        (lambda path: np.save(path, np.array([[1.0, 2], [np.nan, 1]])), "row 1 of .*not finite"),
    ],
)  # fmt: skip
def test_invalid_files_are_refused(write: Any, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write(path)
    message = complaint({"path": path})
    with pytest.raises(ValueError, match=text):
        raise ValueError(message)


def test_refuses_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.ones((2, 2)))
    assert "expected a .npy file, not .npz" in complaint({"path": tmp_path / "a.npz"})


@pytest.mark.parametrize(("value", "normalise"), [(np.nan, False), (np.inf, True), (0.0, True)])
def test_bad_rows_are_errors_when_they_are_used(
    value: float, normalise: bool, tmp_path: Path
) -> None:
    array = np.ones((10_000, 3))
    array[4321] = value  # between the rows that are looked at when the file is opened
    targets = FromArray.save(array, tmp_path / "a.npy", normalise=normalise)
    with pytest.raises(ConfigError, match="row 4321 of"):
        targets.rows(torch.arange(4000, 5000))
    assert targets.rows(torch.arange(4000)).isfinite().all()


def test_save_refuses_invalid_arrays(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the array for"):
        FromArray.save(torch.ones(3), tmp_path / "a.npy")
    with pytest.raises(ConfigError, match="cannot write targets"):
        FromArray.save(torch.ones(3, 3), tmp_path / "no" / "a.npy")
    assert not list(tmp_path.iterdir())
