"""One run: trained, resumed or already there; several commands may share the work."""

import fcntl
import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import natlib
from benchmarks.trained import accuracies, metrics, train_or_resume
from natlib.errors import NonFiniteError
from natlib.training import RunDirectory

__all__ = ["BusyError", "run"]


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


def run(
    folder: Path,
    source: Path,
    settings: list[str],
    modality: str = "image",
    preset: str = "nat",
) -> dict[str, Any]:
    """What came of a run, which is made unless it is there.

    Args:
        folder: the run directory.
        source: the samples.
        settings: over those of the preset.
        modality: which one's preset.
        preset: which one.

    Raises:
        BusyError: another process makes it at this moment.
    """
    summary = folder / "summary.json"
    if not summary.exists():
        with _claimed(folder):
            if not summary.exists():
                found = {"settings": settings} | _make(folder, source, settings, modality, preset)
                # Beside and renamed: a summary is complete, or the run goes on.
                partial = summary.with_suffix(".partial")
                partial.write_text(json.dumps(found, indent=1) + "\n")
                partial.replace(summary)
    found = json.loads(summary.read_text())
    if found["settings"] != settings:
        raise SystemExit(f"{folder} was made with other settings; move it away, or use --out")
    return found


def _make(
    folder: Path, source: Path, settings: list[str], modality: str, preset: str
) -> dict[str, Any]:
    config = natlib.compose(
        modality, preset=preset, options={"data": {"source": str(source)}}, settings=settings
    )
    try:
        result = train_or_resume(config, folder)
    except NonFiniteError as error:
        # These settings do not train; a search goes on with others.
        return {"diverged": str(error)}
    log = metrics(folder)
    # Time of the updates alone, from the log, so that a resumed run counts all of them.
    samples = config.training.epochs * len(RunDirectory(folder).sample_names())
    seconds = samples / statistics.harmonic_mean(line["samples_per_second"] for line in log)
    curve = [[line["epoch"], round(line["knn"], 2)] for line in metrics(folder, "knn")]
    return {"seconds": round(seconds, 1), **accuracies(result.evaluation), "curve": curve}
