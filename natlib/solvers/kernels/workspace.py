"""Memory that a thread reuses from one matching to the next."""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["scratch"]

# Bytes that a thread keeps at most: float32 costs of 2,048 rows and columns.
_KEPT = 2**24

_held = threading.local()


def scratch(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An uninitialised array; the next call in this thread reuses its memory.

    The operating system maps new memory page by page as it is first touched, which takes longer
    than the arithmetic in it, and the allocator returns the memory of a large array as soon as it
    is freed.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > _KEPT:
        return np.empty(shape, dtype)
    memory: NDArray[np.uint8] | None = getattr(_held, "memory", None)
    if memory is None or len(memory) < size:
        memory = _held.memory = np.empty(size, np.uint8)
    return np.ndarray(shape, dtype, memory)
