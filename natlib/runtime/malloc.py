"""Memory that a process keeps for its next step."""

import ctypes
import os

__all__ = ["disable_trim"]

# Names of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The most that mallopt takes for memory that stays; larger arrays than the second come and go.
_STAYS, _LARGE = 2**31 - 1, 2**30


def disable_trim() -> bool:
    """Have the allocator keep what is freed, where training would get it back page by page.

    A step on a CPU frees its gradients and activations, and the next one asks for as much again.
    By default glibc returns large arrays to the system at once, which then hands out zeroed
    pages one by one as they are touched: with a large table of embeddings that takes longer
    than all of the arithmetic. The memory of the process then stays at its peak.

    Variables ``MALLOC_*`` or ``GLIBC_TUNABLES`` in the environment have precedence.

    Returns:
        Whether it does; not where the C library is not glibc, or the environment has precedence.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # a system without one library of the whole process
        return False
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    set_option = library.mallopt
    return bool(set_option(_MMAP_THRESHOLD, _LARGE) and set_option(_TRIM_THRESHOLD, _STAYS))
