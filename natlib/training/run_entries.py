"""What natlib writes into a run directory: everything else in there belongs to somebody."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from natlib.runtime.storage import LEFT_OVER, delete
from natlib.training.run_lock import LOCK_FILE

__all__ = ["delete_run", "foreign_entry", "run_entries"]

# The names in a folder: None for a file, a mapping for a folder with such names, "any" for one with
# names that sources, objectives and modalities choose.
_TREE: dict[str, Any] = {
    r"config\.yaml|run\.json|metrics\.jsonl|train\.log|environment\.json|report\.html": None,
    r"samples\.jsonl\.gz|start\.safetensors": None,
    re.escape(LOCK_FILE): None,
    "checkpoints": {
        r"step-\d{9}": {
            r"(weights|optimizer|meter)\.safetensors|(state|manifest)\.json": None,
        }
    },
    "tensorboard": {r"events\.out\.tfevents\..+": None},
    "model": {r"(encoder|head)\.safetensors|model\.json": None, "fitted": "any"},
    "evaluations": {r".+\.json": None},
    "index|fitted|objective": "any",
}
# Neither a run nor in its way: they are made before a run begins.
_BEFORE = {"index", LOCK_FILE}


def run_entries(folder: Path) -> list[Path]:
    """What is in a directory, without what may be there before a run has begun."""
    return [
        entry
        for entry in sorted(folder.iterdir())
        if entry.name not in _BEFORE and not _is_left_over(entry.name, _TREE)
    ]


def foreign_entry(folder: Path) -> Path | None:
    """Something in a run directory that natlib did not write, or a mounted file system, or None.

    Links are not followed. One with a name that natlib uses counts as natlib's.

    Raises:
        OSError: a folder cannot be read.
    """
    return _foreign(folder, _TREE)


def delete_run(folder: Path, keep: Collection[str] = ()) -> list[Path]:
    """Delete what natlib writes, and then the directory if it is empty.

    Args:
        folder: a run directory.
        keep: names that stay.

    Returns:
        What is left, because natlib did not write it or was told to keep it.

    Raises:
        OSError: something cannot be deleted.
    """
    for entry in sorted(folder.iterdir()):
        if entry.name not in keep and _names_of(entry.name, _TREE) is not _UNKNOWN:
            delete(entry)
    left = sorted(folder.iterdir())
    if not left:
        folder.rmdir()
    return left


_UNKNOWN = object()


def _names_of(name: str, names: dict[str, Any]) -> Any:
    """What stands for a name in a tree; of what is being written, what it is written for."""
    left = LEFT_OVER.fullmatch(name)
    for text in (name, left[1]) if left else (name,):
        for pattern, inner in names.items():
            if re.fullmatch(pattern, text):
                return inner
    return _UNKNOWN


def _is_left_over(name: str, names: dict[str, Any]) -> bool:
    return bool(LEFT_OVER.fullmatch(name)) and _names_of(name, names) is not _UNKNOWN


def _foreign(folder: Path, names: Any) -> Path | None:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            chosen_elsewhere = names == "any"
            inner = "any" if chosen_elsewhere else _names_of(entry.name, names)
            if inner is _UNKNOWN:
                return Path(entry)
            if entry.is_symlink():
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder != (inner is not None) and not chosen_elsewhere:
                # A file with the name of a folder, or the reverse.
                return Path(entry)
            if is_folder:
                found = Path(entry) if os.path.ismount(entry) else _foreign(Path(entry), inner)
                if found is not None:
                    return found
    return None
