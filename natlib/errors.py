"""Errors that natlib raises on purpose: one line each, with the next step.

Every class also derives from the built-in exception that it specialises, so that code which
catches ``ValueError`` or ``FileNotFoundError`` catches it too.
"""

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "DuplicateSampleError",
    "MatchingError",
    "NatlibError",
    "NonFiniteError",
    "OutOfMemoryError",
    "RunExistsError",
    "RunLockedError",
    "RunNotFoundError",
    "one_line",
]


class NatlibError(Exception):
    """Base of everything that natlib raises on purpose."""


class ConfigError(NatlibError, ValueError):
    """A configuration cannot be read or is not valid."""


class DataError(NatlibError, ValueError):
    """A data source is missing, empty, unreadable or has changed."""


class DuplicateSampleError(NatlibError, ValueError):
    """A batch holds a sample twice, so its slots cannot be assigned one-to-one."""


class MatchingError(NatlibError, ValueError):
    """A cost matrix cannot be matched (wrong shape, NaN or infinite costs)."""


class NonFiniteError(NatlibError, FloatingPointError):
    """Features became NaN or infinite.

    Attributes:
        position: row of the first offending sample in its batch.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class DivergedError(NonFiniteError):
    """Features became NaN or infinite although the inputs are finite: training diverged."""


class DeviceError(NatlibError, RuntimeError):
    """This machine does not have the requested device."""


class OutOfMemoryError(NatlibError, MemoryError):
    """What is asked for does not fit into memory."""


class RunExistsError(NatlibError, FileExistsError):
    """The run directory exists, and natlib does not overwrite it."""


class RunLockedError(NatlibError, BlockingIOError):
    """Another process writes to the run directory."""


class RunNotFoundError(NatlibError, FileNotFoundError):
    """The run directory, or the part of it that is needed, does not exist."""


class CheckpointError(NatlibError, OSError):
    """A checkpoint could not be written or does not fit the run."""


def one_line(error: BaseException) -> str:
    """The text of any error on one line, or its type where it has no text."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
