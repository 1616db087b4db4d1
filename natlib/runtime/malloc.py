"""Keep freed memory in the process for its next step."""

import ctypes
import os

__all__ = ["disable_trim"]

# Names of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The highest thresholds that mallopt accepts.
_TRIM_BYTES, _MMAP_BYTES = 2**31 - 1, 2**30


def disable_trim() -> bool:
    """Make glibc's allocator keep freed memory instead of returning it to the system.

    A training step on a CPU frees its gradients and activations, and the next one allocates as
    much again. By default glibc returns large arrays to the system at once, and the system then
    maps zeroed pages one by one as they are touched: with a large embedding table that takes
    longer than all arithmetic. The process keeps its peak memory.

    Variables ``MALLOC_*`` or ``GLIBC_TUNABLES`` in the environment have precedence.

    Returns:
        Whether it was done; False if the C library is not glibc, or the environment has precedence.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # a system where the process has no handle
        return False
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    set_option = library.mallopt
    return bool(
        set_option(_MMAP_THRESHOLD, _MMAP_BYTES) and set_option(_TRIM_THRESHOLD, _TRIM_BYTES)
    )
