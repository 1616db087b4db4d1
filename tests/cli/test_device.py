"""What a run is evaluated on, and what embeds: ``--device``."""

from pathlib import Path
from typing import Any

import pytest
import torch

from natlib.errors import DeviceError
from natlib.protocols import subject_of
from natlib.training import computing_device
from tests.cli.command import assert_done, assert_refused, natlib


def cuda(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Pretend that there are so many CUDA devices."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: count > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)


def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that there is a GPU of Apple."""
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)


@pytest.mark.parametrize(
    ("count", "asked", "configured", "expected"),
    [
        (0, None, "auto", "cpu"),
        (0, None, "cuda", "cpu"),  # trained elsewhere, evaluated here
        (0, "auto", "cuda", "cpu"),
        (1, None, "auto", "cuda"),
        (1, None, "cuda", "cuda"),
        (1, None, "cpu", "cpu"),
        (1, "auto", "cpu", "cuda"),
        (1, "cuda", "cpu", "cuda"),
        (1, "cpu", "cuda", "cpu"),
        (2, "cuda:1", "cpu", "cuda:1"),
    ],
)
def test_what_is_asked_for_counts_then_what_the_run_had(
    count: int, asked: str | None, configured: Any, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda(monkeypatch, count)
    assert computing_device(asked, configured) == torch.device(expected)


@pytest.mark.parametrize(
    ("asked", "configured", "expected"),
    [
        ("mps", "auto", "mps"),
        (None, "mps", "mps"),
        ("cpu", "mps", "cpu"),
        ("auto", "mps", "cpu"),  # has to be asked for
        (None, "auto", "cpu"),
    ],
)
def test_a_gpu_of_apple_is_taken_where_it_is_asked_for(
    asked: str | None, configured: Any, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda(monkeypatch, 0)
    apple(monkeypatch)
    assert computing_device(asked, configured) == torch.device(expected)


def test_a_run_of_an_apple_gpu_is_evaluated_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for count, expected in ((0, "cpu"), (1, "cuda")):
        cuda(monkeypatch, count)
        assert computing_device(None, "mps") == torch.device(expected)


@pytest.mark.parametrize(
    ("count", "asked", "words"),
    [
        (0, "mps", ("device 'mps'", "no GPU of Apple", "use 'cpu' or 'auto'")),
        (0, "mps:1", ("unknown device 'mps:1'", "auto, cpu, mps, cuda or cuda:N")),
        (0, "cuda", ("device 'cuda'", "no CUDA device", "use 'cpu' or 'auto'")),
        (1, "cuda:1", ("device 'cuda:1'", "finds cuda:0 here")),
        (3, "cuda:3", ("device 'cuda:3'", "finds cuda:0 to cuda:2 here")),
        (1, "tpu", ("unknown device 'tpu'", "auto, cpu, mps, cuda or cuda:N")),
        (1, "cuda:", ("unknown device 'cuda:'", "cuda:N")),
    ],
)
@pytest.mark.parametrize("words_of", ["eval", "eval --protocol knn", "embed"])
def test_a_device_that_is_not_there_is_one_line(
    words_of: str,
    count: int,
    asked: str,
    words: tuple[str, ...],
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda(monkeypatch, count)
    command, *options = words_of.split()
    out = ("digits", "--out", tmp_path / "x.npz") if command == "embed" else ()
    assert_refused(natlib(command, run, *out, *options, "--device", asked), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["eval", "embed"])
@pytest.mark.parametrize("asked", [None, "cuda:1"])
def test_the_model_goes_to_the_device(
    command: str, asked: str | None, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was trained on the CPU (see SMALL), so it stays there unless something is asked."""
    cuda(monkeypatch, 2)
    seen: list[torch.device] = []

    def noted(_run: Path, device: torch.device) -> None:
        seen.append(device)
        raise DeviceError("far enough")

    monkeypatch.setattr("natlib.protocols.running.load", noted)
    monkeypatch.setattr("natlib.model.load", noted)
    out = ("digits", "--out", tmp_path / "x.npz") if command == "embed" else ()
    assert_refused(
        natlib(command, run, *out, *(["--device", asked] if asked else [])), "far enough"
    )
    assert seen == [torch.device(asked or "cpu")]


def test_on_the_cpu(run: Path, tmp_path: Path) -> None:
    assert_done(natlib("eval", run, "--device", "cpu"))
    out = tmp_path / "x.npz"
    assert_done(natlib("embed", run, "digits", "--out", out, "--device", "cpu"))
    # A model folder alone says nothing about devices.
    assert_done(natlib("embed", run / "model", "digits", "--out", out))
    assert subject_of(run).device == torch.device("cpu")


@pytest.mark.parametrize("command", ["eval", "embed"])
def test_help_says_it(command: str) -> None:
    words = " ".join(assert_done(natlib(command, "--help")).out.replace("│", " ").split())
    assert "--device" in words
    assert "auto, cpu, mps, cuda or one of several, cuda:1" in words
