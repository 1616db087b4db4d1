"""A file of TensorBoard events, written as they come.

TensorBoard's own writer appends in a thread, whose errors no one can catch.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

__all__ = ["EventFile"]


class EventFile:
    """Scalars for TensorBoard.

    Args:
        folder: where the file goes; a link in its place is replaced, and not followed.
        purge_step: TensorBoard forgets what older files hold of this step and of later ones.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path, purge_step: int) -> None:
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(exist_ok=True)
        begun = f"{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / f"events.out.tfevents.{begun}").open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.SessionStatus.START)
        self._write(Event(step=purge_step, session_log=start))
        self._file.flush()

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Write scalars by name.

        Raises:
            OSError: they cannot be written.
        """
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=scalars)))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
