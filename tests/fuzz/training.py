"""Train what a random configuration describes, in a process with bounds on memory and time."""

import contextlib
import io
import json
import logging
import os
import resource
import signal
import tempfile
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import natlib
from natlib.errors import NatlibError
from tests.fuzz.configurations import Case
from tests.fuzz.values import show

__all__ = ["Ending", "train"]

_MEMORY = 6 * 2**30
"""Bytes that a process may take beside what it has at its start."""
_SECONDS = 60
"""Of computing: far more than two updates of anything that fits take."""
_UPDATES = 2
# Unless the case says something else.
_SMALL: dict[str, Any] = {
    "data.max_samples": 40, "training.epochs": 1, "training.batch_size": 16,
    "training.workers": 0, "training.device": "cpu", "evaluation.final": False,
    "training.knn_every_epochs": None, "training.log_every_steps": 1,
}  # fmt: skip
_ENCODERS: dict[str, dict[str, Any]] = {
    "image": {"kind": "convnet", "widths": [4, 8]},
    "audio": {"kind": "audio_convnet", "widths": [4, 8]},
    "text": {"kind": "bag_of_ngrams", "width": 8, "buckets": 512},
    "vector": {"kind": "mlp", "widths": [8]},
}


class Ending(NamedTuple):
    """How training ended: ``trained``, ``refused`` or ``fault``, and with what words."""

    kind: str
    words: str


def train(case: Case) -> Ending:
    """Two updates of what a case describes, made small where the case says nothing."""
    changes = dict(case.changes)
    for key, value in _SMALL.items():
        if not any(key == other or key.startswith(f"{other}.") for other in changes):
            changes[key] = value
    if not any(key.startswith("encoder") for key in changes):
        changes["encoder"] = _ENCODERS[case.modality]
    small = case._replace(changes=changes)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with open(writing, "w", encoding="utf-8") as pipe:
            json.dump(_train(small), pipe)
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if answer:
        return Ending(*json.loads(answer))
    code = os.waitstatus_to_exitcode(status)
    what = f"more than {_SECONDS} s of computing" if code == -signal.SIGXCPU else f"code {code}"
    return Ending("fault", f"the process ended with {what}")


def _train(case: Case) -> tuple[str, str]:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    logging.disable()
    said = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        os.chdir(folder)
        try:
            config = natlib.compose(case.modality, preset=case.preset, options=case.options())
            natlib.train(config, Path(folder) / "run", progress=_Stop())
        except NatlibError as error:
            text = str(error)
            whole = text.isprintable() and len(text) < 2000
            return ("refused", text) if whole else ("fault", f"not one line: {show(text)}")
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{'/'.join(Path(last.filename).parts[-2:])}:{last.lineno}"
            return "fault", f"{type(error).__name__} at {place}: {show(str(error))}"
    return "trained", ""


class _Stop:
    """Interrupts after two updates; stands for a person who watches."""

    def __enter__(self) -> "_Stop":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def stage(self, name: str, total: int, done: int = 0) -> None:
        return

    def advance(self, done: int, note: str = "") -> None:
        if done == _UPDATES:
            signal.raise_signal(signal.SIGINT)

    def say(self, text: str) -> None:
        return
