"""Processes that tests start.

They are forked from one that has imported torch and natlib already: a fresh interpreter takes
seconds for that. What is about a fresh interpreter, as memory or imports, starts its own.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

__all__ = ["Python", "Said", "in_processes", "in_two_processes", "run_python"]

_FORKED = multiprocessing.get_context("forkserver")
# Everything that takes long. Not the command line: it reads the width of the terminal when it is
# imported.
_PRELOADED = [
    "natlib.doctor", "natlib.protocols", "natlib.report", "natlib.training",
    "natlib_audio", "natlib_image", "natlib_text", "natlib_vector",
    "hypothesis", "kornia.filters", "matplotlib.pyplot", "natlib.data.tables", "pytest",
    "rich.progress", "sklearn.cluster", "torch.distributed", "torch.utils.tensorboard",
    "torchaudio.transforms", "torchmetrics.detection", "torchvision.models", "transformers",
    "typer",
]  # fmt: skip
_FORKED.set_forkserver_preload(_PRELOADED)
_STREAMS = ("out", "err")
# Longer than any test needs, on any machine; a process that waits for ever ends with an error.
_PATIENCE = timedelta(seconds=60)


class Said(NamedTuple):
    """What a command left: exit code (-n for signal n), standard output, standard error."""

    code: int
    out: str
    err: str


class Python:
    """``python WORDS`` in a process that runs beside the test."""

    def __init__(
        self,
        words: Sequence[str | Path],
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            words: a script, ``-m`` and a module, or ``-c`` and a program; then its arguments.
            folder: the working directory.
            variables: environment variables beside those of the test.
        """
        self._said = tempfile.TemporaryDirectory()
        for name in _STREAMS:
            Path(self._said.name, name).touch()
        self._process = _FORKED.Process(
            target=_python,
            args=(
                list(map(str, words)),
                folder or Path.cwd(),
                {**os.environ, **(variables or {})},
                self._said.name,
            ),
        )
        self._process.start()
        # What a failed test has left running is not waited for at the end.
        atexit.register(self._process.kill)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended yet."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive()

    def ended(self, patience: float = 120.0) -> Said:
        """What it left, once it has ended; it is killed if it takes longer than ``patience`` s."""
        self._process.join(patience)
        if late := self.running():
            self._process.kill()
            self._process.join()
        said = [Path(self._said.name, name).read_text() for name in _STREAMS]
        self._said.cleanup()
        assert not late, f"still running after {patience:.0f} s: {said}"
        assert self._process.exitcode is not None
        return Said(self._process.exitcode, *said)


def run_python(
    *words: str | Path, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Said:
    """What ``python WORDS`` leaves; see :class:`Python`."""
    return Python(words, folder, variables).ended()


def _python(words: list[str], folder: Path, environment: dict[str, str], said: str) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, name in enumerate(_STREAMS, start=1):
        os.dup2(os.open(Path(said, name), os.O_WRONLY), descriptor)
    torch.set_num_threads(1)
    how, *rest = words
    # What pytest has put on the path of the tests is not on that of a script.
    sys.path = [path for path in sys.path if Path(path).name != "benchmarks"]
    if how in ("-c", "-m"):
        sys.argv = [how, *rest[1:]]
        sys.path.insert(0, str(folder))
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(how).parent))
    if how == "-c":
        exec(rest[0], {"__name__": "__main__"})
    elif how == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(how, run_name="__main__")


def in_processes(
    function: Callable[..., Any], *arguments: Any, folder: Path, count: int = 2
) -> list[Any]:
    """What the function returns in each of ``count`` processes, in the order of their ranks.

    Args:
        function: at the top level of a module; finds its rank by ``torch.distributed``.
        arguments: its arguments.
        folder: a fresh folder, through which the processes meet.
        count: how many processes.

    Raises:
        RuntimeError: with the traceback of the process that failed first. The other one is
            ended; what it complains of is that nobody answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _fork(_in_a_group, (function, count, str(folder), arguments), count)
    except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
        failed = sorted(folder.glob("*.error"), key=lambda path: path.stat().st_mtime_ns)
        raise RuntimeError(failed[0].read_text() if failed else str(error)) from error
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


def _in_a_group(
    rank: int, function: Callable[..., Any], count: int, folder: str, arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=count,
        timeout=_PATIENCE,
    )
    try:
        result = function(*arguments)
        torch.save(result, f"{folder}/{rank}.pt")
        dist.barrier()
    except Exception:
        Path(folder, f"{rank}.error").write_text(traceback.format_exc())
        raise
    finally:
        dist.destroy_process_group()


def in_two_processes(function: Callable[..., None], *arguments: Any) -> None:
    """Call the function in two processes that look as if torchrun had started them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    _fork(_as_torchrun, (function, port, arguments), 2)


def _as_torchrun(
    rank: int, function: Callable[..., None], port: int, arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    function(*arguments)


def _fork(function: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
    mp.start_processes(function, arguments, nprocs=count, start_method="forkserver")
