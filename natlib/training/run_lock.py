"""A lock on a run directory: one process at a time writes to it."""

import errno
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from natlib.errors import RunLockedError
from natlib.runtime.reading import read_json
from natlib.runtime.storage import delete

__all__ = ["LOCK_FILE", "RunLock"]

LOCK_FILE = ".lock"
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


class RunLock:
    """An advisory lock, which the system releases when the process ends, however it does.

    Args:
        folder: the run directory.
        tell: called with a line where the file system has no locks.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._file = folder / LOCK_FILE
        self._tell = tell
        self._lock = FileLock(self._file, blocking=False, fallback_to_soft=False)

    def acquire(self) -> None:
        """Take the lock, and write down who has it.

        Raises:
            RunLockedError: another process has it; the message says which.
            OSError: the directory cannot be written to.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise RunLockedError(
                f"{_holder(self._file)} writes to the run {self._folder}; wait until it is done, "
                "stop it, or choose another run directory"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self._tell(
                f"The file system of {self._folder} has no locks: make sure yourself that no "
                "other process writes to this run."
            )
            return
        who = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        }
        self._file.write_text(json.dumps(who) + "\n", encoding="utf-8")

    def release(self, folder: Path | None = None) -> None:
        """Give the lock back, if it is held.

        Args:
            folder: where the directory is now, if it was moved.
        """
        if not self._lock.is_locked:
            return
        # While it is held: whoever has opened the file before sees that it has no name any more.
        with suppress(OSError):
            delete((folder or self._folder) / LOCK_FILE)
        with suppress(OSError):
            self._lock.release()


def _holder(file: Path) -> str:
    try:
        who = read_json(file)
        return f"process {int(who['pid'])} on {who['host']} (since {who['since']})"
    except (OSError, ValueError, TypeError, LookupError):
        return "another process"
