"""Errors that natlib raises on purpose: one line each, saying what to do next.

Every class also derives from the builtin that it specialises, so a caller who
catches ``ValueError`` or ``FileNotFoundError`` keeps working.
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
    "RunExistsError",
    "RunNotFoundError",
    "one_line",
]


class NatlibError(Exception):
    """Base of everything that natlib raises on purpose."""


class ConfigError(NatlibError, ValueError):
    """A configuration that cannot be read or does not make sense."""


class DataError(NatlibError, ValueError):
    """A data source that is missing, empty, unreadable or has changed."""


class DuplicateSampleError(NatlibError, ValueError):
    """A batch holds one sample twice, so its matching could not be one-to-one."""


class MatchingError(NatlibError, ValueError):
    """A cost matrix that no solver can match (wrong shape, NaN or infinite)."""


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
    """A device was asked for that this machine does not have."""


class RunExistsError(NatlibError, FileExistsError):
    """The run directory exists and may not be overwritten silently."""


class RunNotFoundError(NatlibError, FileNotFoundError):
    """The run directory, or the part of it that is needed, does not exist."""


class CheckpointError(NatlibError, OSError):
    """A checkpoint could not be written or does not fit the run."""


def one_line(error: BaseException) -> str:
    """The text of any error on one line, or its type where it has no text."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
