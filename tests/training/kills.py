"""Kill a run at each of its calls that change the disk, and go on with what is left.

``python -m tests.training.kills FOLDER`` does so at every one; the suite takes a sample. Calls are
those that make, write, flush, rename or remove a file or a folder; a write is also killed when half
of the text is in the file. Every other time, what goes on is killed once more, at some call.
"""

import builtins
import functools
import io
import json
import os
import random
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import natlib
from natlib.runs import read_run_log
from natlib.runtime import storage
from natlib.training import RunDirectory
from natlib.training.run_lock import LOCK_FILE
from tests.training.support import toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run, metrics

__all__ = ["main"]

# Three updates, one an epoch; each ends with a checkpoint, which the next one removes.
CONFIG = toy_config(
    train=24, epochs=3, batch_size=24, keep_checkpoints=1, log_every_steps=2, evaluate=True
)
CONFIG = CONFIG.model_copy(
    update={"evaluation": CONFIG.evaluation.model_copy(update={"baselines": False})}
)
OLD = CONFIG.model_copy(
    update={"training": CONFIG.training.model_copy(update={"seed": 7, "epochs": 2})}
)
_CALLS = ("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "fsync", "chmod")


class Killer:
    """Counts calls that change the disk, and kills this process at one of them.

    Args:
        at: the number of the call, from 1; 0 only counts.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.calls = 0
        self._thread = threading.get_ident()
        for name in _CALLS:
            setattr(os, name, self._counting(getattr(os, name)))
        storage.save_file = self._counting(storage.save_file)  # type: ignore[attr-defined]
        builtins.open = io.open = self._opening(io.open)  # type: ignore[assignment]

    def count(self) -> bool:
        """Count a call; whether it is the one."""
        if threading.get_ident() != self._thread:
            return False
        self.calls += 1
        return self.calls == self.at

    def _counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            if self.count():
                die()
            return function(*arguments, **named)

        return counted

    def _opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if set(mode).isdisjoint("wax+") or isinstance(file, int):
                return function(file, mode, *arguments, **named)
            if self.count():
                die()
            return Writing(function(file, mode, *arguments, **named), self)

        return opened


class Writing:
    """A file that is written to, with calls counted."""

    def __init__(self, file: Any, killer: Killer) -> None:
        self._file = file
        self._killer = killer

    def write(self, text: Any) -> Any:
        if self._killer.count():
            die()
        if self._killer.count():
            self._file.write(text[: len(text) // 2])
            self._file.flush()
            die()
        return self._file.write(text)

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def forked(function: Callable[[], Any], at: int | None = None) -> tuple[int, str]:
    """Call a function in a process of its own.

    Args:
        function: what to call.
        at: the call at which it is killed; None never counts.

    Returns:
        Its exit code, -9 if it was killed, and what it has said: its number of calls, or an error.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            killer = None if at is None else Killer(at)
            function()
            os.write(writing, str(0 if killer is None else killer.calls).encode())
            code = 0
        except BaseException:
            os.write(writing, traceback.format_exc()[-3000:].encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def check_finished(run: Path, *references: Path) -> None:
    """The run is one of the references, and nothing is left of a kill."""
    info = RunDirectory(run).read_info()
    assert info.status == "finished", info
    reference = next(path for path in references if metrics(path) == metrics(run))
    assert_same_run(reference, run)
    log, expected = read_run_log(run), read_run_log(reference)
    assert log.evaluations["standard"].rows == expected.evaluations["standard"].rows
    # A lock ends with its process; its file may stay where nobody writes any more.
    left = [path for path in run.rglob(".*") if path.name != LOCK_FILE and path.exists()]
    assert not left, left
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    others = {"index", LOCK_FILE}
    names = [{p.name for p in path.iterdir()} - others for path in (run, reference)]
    assert names[0] == names[1], names


def go_on(run: Path) -> None:
    natlib.train(CONFIG, run, continue_run=True)


def scenarios(
    folder: Path,
) -> dict[str, tuple[Path | None, Callable[[Path], Any], Callable[[Path], Any]]]:
    """What is there at first, what is killed, and what goes on afterwards; by name."""
    natlib.train(CONFIG, folder / "whole")
    natlib.train(OLD, folder / "old")
    natlib.train(CONFIG, folder / "part", progress=StopAfter(2))
    return {
        "begin": (None, lambda run: natlib.train(CONFIG, run), go_on),
        "resume": (folder / "part", natlib.resume, go_on),
        "replace": (
            folder / "old",
            lambda run: natlib.train(CONFIG, run, overwrite=True),
            natlib.resume,
        ),
    }


def main(folder: Path, every: int = 1) -> dict[str, Any]:
    """Kill at every n-th call of each scenario, from a random one on.

    Returns:
        How many calls there are, how many times it was killed, and what failed.
    """
    rng = random.Random(0)
    found: dict[str, Any] = {"calls": 0, "kills": 0, "failures": []}
    for name, (before, work, after) in scenarios(folder).items():
        place = folder / name
        run = place / "run"

        def fresh(before: Path | None = before, place: Path = place, run: Path = run) -> None:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            if before is not None:
                shutil.copytree(before, run)

        fresh()
        code, said = forked(functools.partial(work, run), 0)
        assert code == 0, said
        calls = int(said)
        found["calls"] += calls
        for at in range(1 + rng.randrange(every), calls + 1, every):
            fresh()
            code, said = forked(functools.partial(work, run), at)
            if code != -signal.SIGKILL:
                found["failures"].append(f"{name} at {at}: not killed, {code}: {said}")
                continue
            found["kills"] += 1

            def recover(after: Any = after, run: Path = run) -> None:
                after(run)
                check_finished(run, folder / "whole", folder / "old")

            code = 0
            if found["kills"] % 2:
                code, said = forked(functools.partial(after, run), rng.randrange(1, 200))
                found["kills"] += code == -signal.SIGKILL
            if code in (0, -signal.SIGKILL):
                code, said = forked(recover)
            if code:
                found["failures"].append(f"{name} at {at}: {said}")
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:])), indent=2))
