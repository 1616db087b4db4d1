"""Whether a run may be replaced by another one: nothing but what natlib wrote is in it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from natlib.configuration import read_yaml
from natlib.errors import ConfigError, RunExistsError
from natlib.training.config import RunConfig
from natlib.training.run_entries import foreign_entry

__all__ = ["check_replaceable"]

# Their texts name samples, not kinds: a word there may be the name of a folder.
_OF_PATHS = ("data", "labels")


def check_replaceable(run: Path, config: RunConfig) -> None:
    """Check that a run can be replaced without losing anything else.

    Args:
        run: the run directory.
        config: of the new run.

    Raises:
        RunExistsError: it is a link, something in it is not natlib's, somebody works in it, or data
            lie in it or around it.
        OSError: a folder in it cannot be read.
    """
    advice = "choose another run directory"
    if run.is_symlink():
        raise RunExistsError(
            f"{run} is a link to {os.readlink(run)}; name that directory, or {advice}"
        )
    real = run.resolve()
    if Path.cwd().resolve().is_relative_to(real):
        raise RunExistsError(
            f"the run {run} is not replaced: it holds the current directory; change to another "
            f"one, or {advice}"
        )
    if os.path.ismount(real):
        raise RunExistsError(
            f"the run {run} is not replaced: a file system is mounted there; use a directory in "
            f"it (--out {run / 'run'}), or {advice}"
        )
    foreign = foreign_entry(run)
    if foreign is not None:
        raise RunExistsError(
            f"the run {run} is not replaced: natlib did not write '{foreign.relative_to(run)}' in "
            f"it; move that away, or {advice}"
        )
    for path in _paths(config.model_dump(mode="json")):
        if path.is_relative_to(real) or real.is_relative_to(path):
            where = "in it" if path.is_relative_to(real) else "around it"
            raise RunExistsError(f"the run {run} is not replaced: {path} is {where}; {advice}")
    for path in _paths(_old(run)):
        if path.is_relative_to(real):
            raise RunExistsError(
                f"the run {run} is not replaced: {path}, which it was trained with, is in it; "
                f"move that away, or {advice}"
            )


def _old(run: Path) -> dict[str, Any]:
    try:
        return read_yaml(run / "config.yaml")
    except ConfigError:
        # Damaged, or there is none: a reason to replace the run.
        return {}


def _paths(value: Any, named: bool = False) -> Iterator[Path]:
    """The existing paths that a configuration names.

    Args:
        value: plain values.
        named: whether any text may be a path; else one that looks like a path.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in ("kind", "preset"):
                yield from _paths(inner, named or key in _OF_PATHS)
    elif isinstance(value, str):
        path = Path(value).expanduser() if value.startswith("~") else Path(value)
        if value and (named or "/" in value or "." in value) and os.path.exists(path):
            yield path.resolve()
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _paths(inner, named)
