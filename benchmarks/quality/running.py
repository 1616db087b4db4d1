"""One run: trained, resumed or already there; several commands may share the work."""

import fcntl
import json
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import natlib
from natlib.errors import NatlibError
from natlib.training import ConsoleProgress, RunDirectory
from natlib.training.checkpoint import complete_checkpoints

__all__ = ["BusyError", "run"]

ROWS = ("encoder", "head", "random", "raw")


class BusyError(Exception):
    """Another process works on this run."""


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(str(folder)) from error
        yield


def run(folder: Path, source: Path, settings: list[str], modality: str = "image") -> dict[str, Any]:
    """What came of a run, which is made unless it is there.

    Args:
        folder: the run directory.
        source: the samples.
        settings: over those of the preset ``nat``.
        modality: which one's preset.

    Raises:
        BusyError: another process makes it at this moment.
    """
    summary = folder / "summary.json"
    if not summary.exists():
        with _claimed(folder):
            if not summary.exists():
                found = {"settings": settings} | _make(folder, source, settings, modality)
                # Beside and renamed: a summary is complete, or the run goes on.
                partial = summary.with_suffix(".partial")
                partial.write_text(json.dumps(found, indent=1) + "\n")
                partial.replace(summary)
    found = json.loads(summary.read_text())
    if found["settings"] != settings:
        raise SystemExit(f"{folder} was made with other settings; move it away, or use --out")
    return found


def _make(folder: Path, source: Path, settings: list[str], modality: str) -> dict[str, Any]:
    config = natlib.compose(
        modality, preset="nat", options={"data": {"source": str(source)}}, settings=settings
    )
    progress = ConsoleProgress(every=60)
    try:
        if complete_checkpoints(RunDirectory(folder).checkpoints):
            result = natlib.resume(folder, config=config, progress=progress)
        else:
            # Killed before the first checkpoint: there is nothing to go on with.
            shutil.rmtree(folder, ignore_errors=True)
            result = natlib.train(config, folder, progress=progress)
    except NatlibError as error:
        if "NaN" not in str(error):
            raise
        # These settings do not train; a search goes on with others.
        return {"diverged": str(error)}
    if not result.finished or result.evaluation is None:
        raise SystemExit(f"{folder} was interrupted; run the same command again to go on")
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    # Time of the updates alone, from the log, so that a resumed run counts all of them.
    rates = [line["samples_per_second"] for line in log if "samples_per_second" in line]
    samples = config.training.epochs * len(RunDirectory(folder).sample_names())
    seconds = samples / statistics.harmonic_mean(rates)
    accuracies = {
        row: {
            probe: round(getattr(getattr(result.evaluation, row), probe), 2)
            for probe in ("knn", "linear")
        }
        for row in ROWS
    }
    curve = [[line["epoch"], round(line["knn"], 2)] for line in log if "knn" in line]
    return {"seconds": round(seconds, 1), **accuracies, "curve": curve}
