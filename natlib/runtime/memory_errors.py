"""Say in one line that memory does not suffice."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from natlib.errors import OutOfMemoryError, one_line

__all__ = ["is_about_memory", "memory_errors"]

# torch has no type for them on a CPU.
_TEXTS = re.compile(
    r"allocate memory|not enough memory|out of memory|Storage size calculation overflowed|"
    r"Invalid buffer size|invalid allocation size|numel: integer multiplication overflow"
)
_BYTES = re.compile(r"tried to allocate (\d+) bytes")


def is_about_memory(error: BaseException) -> bool:
    """Whether an error says that something does not fit into memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and _TEXTS.search(str(error)) is not None


@contextmanager
def memory_errors(what: str, advice: str) -> Iterator[None]:
    """Turn an allocation that fails into one of natlib's errors.

    Args:
        what: what was about to be done, ``the encoder cannot be built`` say.
        advice: what to make smaller.

    Raises:
        OutOfMemoryError: memory did not suffice.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, OutOfMemoryError) or not is_about_memory(error):
            raise
        found = _BYTES.search(str(error))
        needed = f"{int(found[1]) / 2**30:,.1f} GiB at once" if found else one_line(error)
        raise OutOfMemoryError(f"{what}: memory does not suffice ({needed}); {advice}") from error
