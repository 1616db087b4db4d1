"""Memory that a thread keeps from matching to matching."""

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["scratch"]

# A thread keeps no more bytes than this: float32 costs of 2,048 rows and columns.
_KEPT = 2**24

_held = threading.local()


def scratch(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array to be overwritten, whose memory the next call of this thread gets again.

    The system hands fresh memory out page by page as it is first touched, which takes longer
    than the arithmetic in it, and the allocator gives it back to the system when a large array
    is no longer needed.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size > _KEPT:
        return np.empty(shape, dtype)
    memory: NDArray[np.uint8] | None = getattr(_held, "memory", None)
    if memory is None or len(memory) < size:
        memory = _held.memory = np.empty(size, np.uint8)
    return np.ndarray(shape, dtype, memory)
