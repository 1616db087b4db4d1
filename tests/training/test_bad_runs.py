"""What goes wrong while a run trains: it stops in one line and the last good state stays."""

import errno
import json
import logging
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import natlib
from natlib.data import Batch
from natlib.errors import CheckpointError, DeviceError, NonFiniteError
from natlib.objectives import NAT
from natlib.training import RunDirectory, checkpoint
from natlib.training.checkpoint import (
    Position,
    complete_checkpoints,
    latest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from natlib.training.meter import Meter
from natlib.training.recorder import Recorder
from tests.cli.command import content
from tests.evaluation.gaussian_blobs import GaussianBlobs
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run, metrics

VICTIM = 33


def spoil(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Spoil the second view of one sample from the third epoch on."""
    views = GaussianBlobs.views
    epochs = 0

    def spoiled(self: GaussianBlobs, batch: Batch, count: int) -> list[Tensor]:
        nonlocal epochs
        made = views(self, batch, count)
        mine = batch.index == VICTIM
        epochs += int(mine.any())
        if epochs > 2:
            made[1][mine] = value
        return made

    monkeypatch.setattr(GaussianBlobs, "views", spoiled)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("ownership", ["stream", "bank"])
def test_a_spoilt_sample_is_named_and_once_repaired_the_run_goes_on(
    value: float, ownership: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy_config(NAT(assignment={"kind": ownership, "slots": 2}))
    natlib.train(config, tmp_path / "whole")
    run = tmp_path / "run"
    spoil(monkeypatch, value)
    with pytest.raises(NonFiniteError) as caught:
        natlib.train(config, run)
    text = str(caught.value)
    assert text == (
        f"sample 'train{VICTIM}.vec' (index {VICTIM}) holds NaN or infinity; repair it, then resume"
    )
    assert text in (run / "train.log").read_text()
    assert latest_checkpoint(run / "checkpoints").name == "step-000000010"
    natlib.load(run)
    monkeypatch.undo()
    natlib.resume(run)
    assert_same_run(tmp_path / "whole", run)
    assert metrics(tmp_path / "whole") == metrics(run)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_learning_rate_that_is_far_too_high(optimizer: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    natlib.train(toy_config(epochs=1), tmp_path / "first")
    wild = toy_config(optimizer={"kind": optimizer, "learning_rate": 1e30})
    with pytest.raises(NonFiniteError) as caught:
        natlib.train(wild, run, init_from=tmp_path / "first")
    pattern = (
        r"the features of sample 'train(\d+)\.vec' \(index \1\) became NaN or infinite in update 2;"
        r" lower training\.optimizer\.learning_rate or set training\.clip_gradient in a new run "
        r"\(--init-from takes over what was learnt\)"
    )
    assert re.fullmatch(pattern, str(caught.value)), caught.value
    natlib.train(toy_config(), run, init_from=tmp_path / "first", overwrite=True)


class Pair(nn.Module):
    """Something to save: a weight and a buffer."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((300,), value))
        self.register_buffer("count", torch.tensor(7))


def pair(value: float) -> tuple[Pair, torch.optim.Optimizer]:
    module = Pair(value)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    module.weight.square().sum().backward()
    optimizer.step()
    return module, optimizer


def write(folder: Path, step: int, value: float, keep: int = 2) -> Path:
    return write_checkpoint(folder, Position(0, step, step), *pair(value), Meter(), keep=keep)


def assert_intact(written: Path, step: int, value: float) -> None:
    """The checkpoint loads, and holds what :func:`write` was given."""
    module, optimizer = pair(0.0)
    expected, expected_optimizer = pair(value)
    assert read_checkpoint(written, module, optimizer, Meter()) == Position(0, step, step)
    assert torch.equal(module.weight, expected.weight)
    state, expected_state = optimizer.state_dict(), expected_optimizer.state_dict()
    for name, tensor in expected_state["state"][0].items():
        assert torch.equal(state["state"][0][name], tensor)


def full_at(call: int) -> Callable[..., Any]:
    """A function that does what another does, until at a call the disk is full."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        calls = 0

        def wrapped(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **named)

        return wrapped

    return wrap


STAGES: dict[str, tuple[Any, str, int]] = {
    "making the folder": (Path, "mkdir", 1),
    "weights": (checkpoint, "save_tensors", 1),
    "optimiser": (checkpoint, "save_tensors", 2),
    "meter": (checkpoint, "save_tensors", 3),
    "state": (Path, "write_text", 1),
    "manifest": (Path, "write_text", 2),
    "first flush": (os, "fsync", 1),
    "last flush of a file": (os, "fsync", 5),
    "flush of the checkpoint's folder": (os, "fsync", 6),
    "rename": (os, "rename", 1),
    "flush of the folder": (os, "fsync", 7),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_up_while_a_checkpoint_is_written(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write(tmp_path, 5, 1.0)
    saved = content(before)
    owner, name, call = STAGES[stage]
    monkeypatch.setattr(owner, name, full_at(call)(getattr(owner, name)))
    with pytest.raises(CheckpointError) as caught:
        write(tmp_path, 6, 2.0)
    monkeypatch.undo()
    text = str(caught.value)
    assert text.startswith(f"checkpoint {tmp_path / 'step-000000006'} could not be written: ")
    assert "No space left on device" in text
    assert text.endswith("; free some space, then resume or start anew")
    assert content(before) == saved
    assert_intact(before, 5, 1.0)
    newest = latest_checkpoint(tmp_path)
    if stage == "flush of the folder":
        assert_intact(newest, 6, 2.0)
    else:
        assert newest == before
        assert f"the last complete one is {before}" in text
    assert not list(tmp_path.glob(".*"))
    # With space again, the same checkpoint is written.
    assert_intact(write(tmp_path, 6, 2.0), 6, 2.0)


def test_weights_that_are_not_finite_replace_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'weight' holds NaN.*is no earlier one"):
        write(tmp_path, 4, float("nan"))
    before = write(tmp_path, 5, 1.0)
    with pytest.raises(CheckpointError, match=f"the last complete one is {before}; lower"):
        write(tmp_path, 6, float("inf"))
    module, optimizer = pair(1.0)
    module.weight.data[7] = float("nan")  # one of 300
    with pytest.raises(CheckpointError, match=r"'weight' holds NaN"):
        write_checkpoint(tmp_path, Position(0, 7, 7), module, optimizer, Meter(), keep=2)
    assert [path.name for path in tmp_path.iterdir()] == [before.name]
    assert_intact(before, 5, 1.0)


def test_the_oldest_checkpoints_go_and_so_does_what_a_killed_process_left(tmp_path: Path) -> None:
    for left in (".step-000000008.partial", ".step-000000007.removed"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "weights.safetensors").write_bytes(b"half")
    for step in (9, 10, 11, 12):
        write(tmp_path, step, float(step), keep=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-000000010", "step-000000011", "step-000000012"]
    assert latest_checkpoint(tmp_path).name == "step-000000012"


def test_what_is_called_nearly_like_a_checkpoint_is_none(tmp_path: Path) -> None:
    written = write(tmp_path, 5, 1.0)
    others = ["step-000000006.old", "step-0000000070", "old-step-000000008", "step-00000009"]
    for name in others:
        shutil.copytree(written, tmp_path / name)
    assert latest_checkpoint(tmp_path) == written
    write(tmp_path, 6, 1.0, keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["step-000000006", *others])


def test_who_reads_checkpoints_passes_over_incomplete_ones(tmp_path: Path) -> None:
    written = [write(tmp_path, step, 1.0, keep=9) for step in (5, 6, 7, 8)]
    (written[1] / "manifest.json").unlink()
    (written[2] / "weights.safetensors").unlink()
    (written[3] / "manifest.json").write_text("{")
    assert complete_checkpoints(tmp_path) == written[:1]
    # Resuming does not pass over them: what is newest is damaged, and says so.
    assert latest_checkpoint(tmp_path) == written[3]
    with pytest.raises(CheckpointError, match=r"remove it and resume.*step-000000005, which is in"):
        read_checkpoint(written[3], *pair(0.0), Meter())


def test_a_step_that_is_written_again_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, 5, 1.0)
    assert_intact(write(tmp_path, 5, 2.0), 5, 2.0)


def test_a_checkpoint_of_another_format_or_another_model(tmp_path: Path) -> None:
    written = write(tmp_path, 5, 1.0)
    other = nn.Linear(3, 3)
    with pytest.raises(CheckpointError, match=r"cannot be read: .*no earlier one that is intact"):
        read_checkpoint(written, other, torch.optim.AdamW(other.parameters()), Meter())
    manifest = json.loads((written / "manifest.json").read_text())
    (written / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(CheckpointError, match="has format 99, this natlib reads 3"):
        read_checkpoint(written, *pair(0.0), Meter())


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The limit of the system on the size of a file stands for a disk that is full."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    config = toy_config(checkpoint_every_steps=1, log_every_steps=1)
    natlib.train(config, whole)
    natlib.train(config, run, progress=StopAfter(7))
    saved = content(run / "checkpoints")
    model = content(run / "model")
    size = (latest_checkpoint(run / "checkpoints") / "weights.safetensors").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, hard))
        with pytest.raises(CheckpointError, match=r"step-000000008 could not be written: .*large"):
            natlib.resume(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(run / "checkpoints") == saved
    assert content(run / "model") == model
    natlib.resume(run)
    assert_same_run(whole, run)
    assert metrics(whole) == metrics(run)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of a given size, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kib: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "natlib", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this user may not mount a file system")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def test_a_disk_that_is_full(small_disk: Callable[[int], Path], tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    config = toy_config()
    natlib.train(config, whole)
    needed = sum(path.stat().st_size for path in (whole / "checkpoints").rglob("*"))
    disk = small_disk(int(1.2 * needed / 1024))
    with pytest.raises(CheckpointError, match=r"could not be written.*[Nn]o space left") as caught:
        natlib.train(config, disk / "run")
    assert str(caught.value).count("\n") == 0
    last = latest_checkpoint(disk / "run" / "checkpoints")
    shutil.copytree(disk / "run", tmp_path / "rescued")
    assert last.name in {"step-000000005", "step-000000010"}
    natlib.resume(tmp_path / "rescued")
    assert_same_run(whole, tmp_path / "rescued")
    assert metrics(whole) == metrics(tmp_path / "rescued")


def test_a_full_disk_at_the_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    monkeypatch.setattr(RunDirectory, "write_environment", full_at(1)(lambda self: None))
    with pytest.raises(CheckpointError, match=f"{run} could not be written: No space left"):
        natlib.train(toy_config(), run)
    assert not run.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_metrics_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder(tmp_path)
    recorder._handler.setStream(open("/dev/full", "w"))  # noqa: SIM115
    recorder.record(1, 0, {"loss": 1.0})
    recorder._file = open("/dev/full", "w")  # noqa: SIM115  (the recorder closes it)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl could not be written: No space"):
        recorder.record(2, 0, {"loss": 1.0})
    logging.getLogger("natlib").error("this cannot be written down either")
    recorder.close()
    # No traceback of the log's own: the error says what there is to say.
    assert "Traceback" not in capsys.readouterr().err
    assert [line["step"] for line in metrics(tmp_path)] == [1]


@pytest.mark.parametrize("text", ["", "no C++ compiler\nand more lines"])
def test_an_encoder_that_cannot_be_compiled(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(text)

    compile_module = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_module(self, backend=broken))
    with pytest.raises(DeviceError, match=r"cannot be compiled here: .*train without --compile"):
        natlib.train(toy_config(compile=True), tmp_path / "run")


def test_cuda_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="device 'cuda' was asked for"):
        natlib.train(toy_config(device="cuda"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    done = natlib.train(toy_config(device="auto"), tmp_path / "run")
    assert done.finished
