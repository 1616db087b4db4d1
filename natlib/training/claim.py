"""The right to write to a run directory, and what a new run there does with an older one.

A new run that replaces an older one moves it aside, to ``.NAME.replaced``, and deletes it after its
own first checkpoint. If it fails before that, the older one gets its place back. After a kill in
between, the next command does one or the other.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from natlib.errors import NatlibError, RunExistsError
from natlib.runtime.reading import read_json
from natlib.runtime.storage import delete, flush
from natlib.training.checkpoint import latest_checkpoint
from natlib.training.config import RunConfig
from natlib.training.replaceable import check_replaceable
from natlib.training.run_directory import RunDirectory
from natlib.training.run_entries import delete_run, foreign_entry, run_entries
from natlib.training.run_lock import LOCK_FILE, RunLock

__all__ = ["Claim"]


class Claim:
    """One process's right to write to a run directory; a context manager.

    An error that leaves it undoes what a new run has done to the directory, as long as that run has
    not begun, or has no checkpoint and an older one is there to come back.

    Args:
        directory: the run directory.
        tell: called with a line where something was put back or left.
    """

    def __init__(self, directory: RunDirectory, tell: Callable[[str], None]) -> None:
        self._directory = directory
        self._path = directory.path
        self._aside = directory.aside
        self._tell = tell
        self._lock: RunLock | None = None
        # Held for as long as an older run is aside.
        self._aside_lock: RunLock | None = None
        self._state: Literal["untouched", "free", "replaces", "writing", "begun"] = "untouched"
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is not None:
                self._undo()
        finally:
            if self._lock is not None:
                self._lock.release()
            if self._aside_lock is not None:
                self._aside_lock.release(self._aside)
            if kind is not None:
                self._remove_empty()

    def has_begun(self) -> bool:
        """Whether a run has begun here that can be resumed; puts one back that was moved aside.

        Raises:
            RunLockedError: another process writes to it.
            CheckpointError: the directory cannot be written to.
        """
        with self._directory.writing():
            self._recover()
        return self._directory.config_file.exists()

    def take(self) -> None:
        """Take the run that is here, to go on with it.

        Raises:
            RunLockedError: another process writes to it.
            CheckpointError: the directory cannot be written to.
        """
        with self._directory.writing():
            self._recover()
            self._take()

    def take_new(self, config: RunConfig, overwrite: bool) -> None:
        """Take the directory for a new run; nothing in it is changed yet.

        Args:
            config: the new run; its paths must not lie in a run that it replaces.
            overwrite: whether it may replace a run.

        Raises:
            RunExistsError: something is here that may not be replaced.
            RunLockedError: another process writes to it.
            CheckpointError: the directory cannot be written to.
        """
        with self._directory.writing():
            self._recover()
            # Before the lock, which is a file: what is no run is not touched.
            self._check_free(config, overwrite)
            self._make()
            self._take()
            replaces = self._check_free(config, overwrite)
        self._state = "replaces" if replaces else "free"

    def clear(self) -> None:
        """Make room for the files of the new run.

        Raises:
            RunExistsError: the older run cannot be moved.
            CheckpointError: the directory cannot be written to.
        """
        moves = self._state == "replaces" and self._aside_lock is None
        with self._directory.writing():
            if moves:
                self._move_aside()
            self._state = "writing"
            delete_run(self._path, keep=("index", LOCK_FILE))

    def begun(self) -> None:
        """The new run can be resumed from now on."""
        self._state = "begun"

    def checkpointed(self) -> None:
        """The new run has a checkpoint, so an older one is no longer needed."""
        if self._aside_lock is None:
            return
        self._aside_lock.release(self._aside)
        self._aside_lock = None
        try:
            left = delete_run(self._aside)
        except OSError as error:
            self._tell(f"The run that was replaced cannot be deleted: {error}.")
            return
        if left:
            self._tell(f"{self._aside} stays: natlib did not write {left[0].name}.")

    def _check_free(self, config: RunConfig, overwrite: bool) -> bool:
        """Whether there is a run to replace."""
        path = self._path
        if path.exists() and not path.is_dir():
            raise RunExistsError(f"{path} is a file; choose another run directory")
        if not path.exists() or not run_entries(path):
            return False
        if not _is_run(path / "run.json"):
            raise RunExistsError(
                f"{path} is not empty and not a natlib run (it has no run.json), so it is left "
                "alone; choose another run directory"
            )
        if self._never_began():
            foreign = foreign_entry(path)
            if foreign is None:
                return False
            raise RunExistsError(
                f"{path} holds a run that never began, and '{foreign.relative_to(path)}', which "
                "natlib did not write; move that away, or choose another run directory"
            )
        if not overwrite:
            raise RunExistsError(
                f"the run {path} exists; resume it (--resume {path}), go on with it by the command "
                "that began it (--continue), replace it (--overwrite) or choose another directory "
                "(--out)"
            )
        check_replaceable(path, config)
        return True

    def _never_began(self) -> bool:
        """Whether a run was stopped before it had a configuration."""
        directory = self._directory
        return not any(
            path.exists()
            for path in (directory.config_file, directory.model, self._path / "metrics.jsonl")
        ) and latest_checkpoint(directory.checkpoints) in (None, directory.initial_checkpoint)

    def _recover(self) -> None:
        """Finish what a command that replaced a run, and was killed, had begun."""
        if self._aside_lock is not None or not self._aside.is_dir():
            return
        lock = RunLock(self._aside, self._tell)
        lock.acquire()
        self._aside_lock = lock
        if self._directory.has_checkpoint():
            self.checkpointed()
        elif not self._directory.config_file.exists():
            self._put_back("since the run that was to replace it never began")

    def _make(self) -> None:
        missing = [path for path in (self._path, *self._path.parents) if not path.exists()]
        self._made = missing
        self._path.mkdir(parents=True, exist_ok=True)

    def _take(self) -> None:
        self._lock = RunLock(self._path, self._tell)
        self._lock.acquire()

    def _move_aside(self) -> None:
        try:
            os.rename(self._path, self._aside)
        except OSError as error:
            raise RunExistsError(
                f"the run {self._path} cannot be moved aside, to {self._aside}: {error.strerror}; "
                "choose another run directory, or remove the run yourself"
            ) from error
        self._state = "writing"
        # It has moved with the folder.
        self._aside_lock, self._lock = self._lock, None
        flush(self._aside.parent)
        self._path.mkdir()
        self._take()
        if (self._aside / "index").is_dir():
            os.rename(self._aside / "index", self._path / "index")

    def _undo(self) -> None:
        try:
            if self._aside_lock is not None and self._state in ("writing", "begun"):
                self._put_back("since the new one failed before its first checkpoint")
            elif self._state == "writing":
                delete_run(self._path, keep=(LOCK_FILE,))
            elif self._state == "free" and not run_entries(self._path):
                delete(self._path / "index")
        except (OSError, NatlibError) as error:
            self._tell(f"{self._path} could not be cleared up: {error}")

    def _put_back(self, why: str) -> None:
        """Give an older run its place back."""
        assert self._aside_lock is not None
        if self._path.is_dir():
            if self._lock is None:
                # Nobody else may have begun one in the meantime.
                self._take()
            index = self._path / "index"
            if index.is_dir() and not (self._aside / "index").exists():
                os.rename(index, self._aside / "index")
            if self._lock is not None:
                self._lock.release()
                self._lock = None
            left = delete_run(self._path)
            if left:
                self._tell(
                    f"The run that was in {self._path} is in {self._aside}: it cannot be put back "
                    f"beside '{left[0].name}', which natlib did not write."
                )
                return
        os.rename(self._aside, self._path)
        flush(self._path.parent)
        self._aside_lock.release(self._path)
        self._aside_lock = None
        self._state = "untouched"
        self._tell(f"The run that was in {self._path} is back, {why}.")

    def _remove_empty(self) -> None:
        """Remove the directories that were made to no avail."""
        for path in self._made:
            with suppress(OSError):
                path.rmdir()


def _is_run(info_file: Path) -> bool:
    """Whether a file is the ``run.json`` of a run, of whatever format."""
    try:
        values = read_json(info_file)
        return {"format", "status", "updates"} <= set(values)
    except (OSError, ValueError, TypeError, RecursionError):
        return False
