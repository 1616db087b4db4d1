"""Processes that tests start.

They are forked from one that has imported torch and natlib already: a fresh interpreter takes
seconds for that. What is about a fresh interpreter, as memory or imports, starts its own.
"""

import atexit
import functools
import gc
import multiprocessing
import os
import pickle
import pkgutil
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

__all__ = [
    "Moment",
    "Said",
    "do_not_wait_for_disks",
    "in_processes",
    "in_two_processes",
    "run_python",
]

_FORKED = multiprocessing.get_context("forkserver")
# Everything that takes long. Not the command line: it reads the width of the terminal when it is
# imported.
_PRELOADED = [
    "natlib.doctor", "natlib.protocols", "natlib.report", "natlib.training",
    "natlib_audio", "natlib_image", "natlib_text", "natlib_vector",
    "hypothesis", "kornia.filters", "matplotlib.pyplot", "natlib.data.tables", "pytest",
    "natlib.training.event_file", "rich.progress", "sklearn.cluster", "sklearn.datasets",
    "torch._dynamo", "torch.distributed",
    "torchaudio.transforms", "torchvision.models", "transformers", "typer",
]  # fmt: skip
_FORKED.set_forkserver_preload(_PRELOADED)
_STREAMS = ("out", "err")
# Longer than any test needs, on any machine; a process that waits for ever ends with an error.
_PATIENCE = 240.0


class Said(NamedTuple):
    """What a command left: exit code (-n for signal n), standard output, standard error."""

    code: int
    out: str
    err: str


class Moment(NamedTuple):
    """A call at which a process sends itself a signal.

    Attributes:
        function: its full name, where it is looked up: ``os.rename``,
            ``torch.optim.AdamW.step``.
        call: number of the call, from 1.
        after: whether the function does its work first.
        number: the signal.
    """

    function: str
    call: int = 1
    after: bool = False
    number: signal.Signals = signal.SIGKILL

    def arm(self) -> None:
        """Put the signal into the function, in this process."""
        owner_name, name = self.function.rsplit(".", 1)
        owner = pkgutil.resolve_name(owner_name)
        function = getattr(owner, name)
        calls = 0

        @functools.wraps(function)
        def armed(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            now = calls == self.call
            if now and not self.after:
                os.kill(os.getpid(), self.number)
            result = function(*arguments, **named)
            if now and self.after:
                os.kill(os.getpid(), self.number)
            return result

        setattr(owner, name, armed)


def do_not_wait_for_disks() -> None:
    """Nothing that a test writes has to outlive a power cut: here ``fsync`` only wants a file."""

    def fsync(descriptor: int) -> None:
        os.fstat(descriptor)

    os.fsync = fsync  # type: ignore[assignment]


def run_python(
    *words: str | Path,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    moment: Moment | None = None,
) -> Said:
    """What ``python WORDS`` leaves; it is killed if it never ends.

    Args:
        words: a script, ``-m`` and a module, or ``-c`` and a program; then its arguments.
        folder: the working directory.
        variables: environment variables beside those of the test.
        moment: when it sends itself a signal.
    """
    with tempfile.TemporaryDirectory() as said:
        for name in _STREAMS:
            Path(said, name).touch()
        environment = {**os.environ, **(variables or {})}
        process = _FORKED.Process(
            target=_python,
            args=(list(map(str, words)), folder or Path.cwd(), environment, said, moment),
        )
        process.start()
        try:
            process.join(_PATIENCE)
            late = process.is_alive()
        finally:
            process.kill()
            process.join()
        streams = [Path(said, name).read_text() for name in _STREAMS]
    assert not late, f"still running after {_PATIENCE:.0f} s: {streams}"
    assert process.exitcode is not None
    return Said(process.exitcode, *streams)


def _set_up() -> None:
    """Make a forked process like a fresh one, and quick."""
    # As it is by default: processes that it starts would otherwise each begin with a fork server
    # of their own, which imports everything once more.
    multiprocessing.set_start_method(None, force=True)
    torch.set_num_threads(1)
    do_not_wait_for_disks()
    # What is there now stays: to look through all modules for garbage takes a second.
    gc.freeze()


def _python(
    words: list[str], folder: Path, environment: dict[str, str], said: str, moment: Moment | None
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, name in enumerate(_STREAMS, start=1):
        os.dup2(os.open(Path(said, name), os.O_WRONLY), descriptor)
    how, *rest = words
    _set_up()
    # What pytest has put on the path of the tests is not on that of a script.
    sys.path = [path for path in sys.path if Path(path).name != "benchmarks"]
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    if how in ("-c", "-m"):
        sys.argv = [how, *rest[1:]]
        sys.path.insert(0, str(folder))
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(how).parent))
    if moment is not None:
        moment.arm()
    if how == "-c":
        exec(rest[0], {"__name__": "__main__"})
    elif how == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(how, run_name="__main__")


def in_processes(function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What the function returns in each of two processes of a group, in the order of their ranks.

    Args:
        function: at the top level of a module; finds its rank by ``torch.distributed``.
        arguments: its arguments.

    Raises:
        RuntimeError: with the traceback of the process that failed first. The other one is
            ended; what it complains of is that nobody answers.
    """
    return in_two_processes(_in_a_group, function, arguments)


def _in_a_group(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo")
    try:
        result = function(*arguments)
        dist.barrier()
        return result
    except Exception as error:
        # Written down while the group still stands: the other process complains later than this.
        raise _Failed(time.monotonic(), traceback.format_exc()) from error
    finally:
        dist.destroy_process_group()


def in_two_processes(function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What the function returns in each of two processes that look as if torchrun had started them.

    They join a group by themselves, once in a call.

    Raises:
        RuntimeError: with the traceback of the process that failed first; the other one is ended.
    """
    if not _pairs:
        _pairs.append(_Pair())
    try:
        return _pairs[0].call(function, arguments)
    except RuntimeError:
        _pairs.pop().stop()
        raise


class _Failed(Exception):  # noqa: N818  (it carries one)
    """A failure, with when it was and what it was."""


class _Pair:
    """Two processes that wait for functions: to start them takes longer than most functions do."""

    def __init__(self) -> None:
        self._pipes: list[Connection] = []
        self._processes = []
        for rank in range(2):
            here, there = _FORKED.Pipe()
            process = _FORKED.Process(target=_serve, args=(rank, there))
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
        atexit.register(self.stop)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Any]:
        """What the function returns in each.

        Raises:
            RuntimeError: it failed in one, or takes too long.
        """
        # Where they meet: held here, as torchrun's agent does it, so that nobody takes its port.
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        environment = os.environ | {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        }  # fmt: skip
        # What the function is imported with has to be there before it is.
        call = pickle.dumps((function, arguments))
        asked = pickle.dumps((environment, os.getcwd(), sys.path, call))
        for pipe in self._pipes:
            pipe.send_bytes(asked)
        answers: dict[int, Any] = {}
        failures: list[tuple[float, str]] = []
        while len(answers) < 2:
            silent = [pipe for rank, pipe in enumerate(self._pipes) if rank not in answers]
            # One that fails leaves the group; the other one fails then, or may have failed before.
            ready = wait(silent, 10.0 if failures else _PATIENCE)
            if not ready and not failures:
                raise RuntimeError(f"no answer within {_PATIENCE:.0f} s")
            if not ready:
                break
            for rank, pipe in enumerate(self._pipes):
                if pipe in ready:
                    try:
                        failure, answers[rank] = pickle.loads(pipe.recv_bytes())
                    except (EOFError, ConnectionError):
                        answers[rank] = None
                        self._processes[rank].join()
                        code = self._processes[rank].exitcode
                        failure = (time.monotonic(), f"process {rank} ended with code {code}")
                    failures += [failure] if failure else []
        if failures:
            raise RuntimeError(min(failures)[1])
        return [answers[rank] for rank in range(2)]

    def stop(self) -> None:
        """End both."""
        atexit.unregister(self.stop)
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            process.kill()
            process.join()
            pipe.close()


_pairs: list[_Pair] = []


def _serve(rank: int, pipe: Connection) -> None:
    _set_up()
    while True:
        failure, result = None, None
        try:
            asked = pipe.recv_bytes()
        except EOFError:
            return
        try:
            environment, folder, path, call = pickle.loads(asked)
            os.environ.clear()
            os.environ.update(environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
            os.chdir(folder)
            sys.path[:] = path
            torch.manual_seed(0)
            function, arguments = pickle.loads(call)
            result = function(*arguments)
        except _Failed as error:
            failure = error.args
        except BaseException:
            failure = (time.monotonic(), traceback.format_exc())
        pipe.send_bytes(pickle.dumps((failure, result)))
