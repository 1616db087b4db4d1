"""Columns that number rows: they say nothing about a row, and must not become inputs."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["counting_columns", "counts_rows", "may_name_rows"]

# Fewer rows are no evidence.
_FEWEST = 10
_BLOCK = 65_536
_IDENTIFIER = re.compile(r"(^|[\W_])(id|idx|index|key|no|nr|num|number|row|uid)$", re.IGNORECASE)
_CAMEL = re.compile(r"[a-z](Id|ID|Idx|No|Nr)$")


def counts_rows(name: str, values: npt.NDArray[np.float64]) -> bool:
    """Whether a column holds each of the numbers 0 to n - 1, or 1 to n, once.

    Numbers that begin elsewhere count rows if they stand in order and the name says so.

    Args:
        name: of the column.
        values: float64[n], NaN where one is missing.
    """
    n = len(values)
    if n < _FEWEST or not np.isfinite(values).all():
        return False
    first = values.min()
    if values.max() - first != n - 1 or (values % 1 != 0).any():
        return False
    if first in (0, 1):
        found = np.zeros(n, dtype=np.bool_)
        found[(values - first).astype(np.int64)] = True
        return bool(found.all())
    return _identifies(name) and bool((np.diff(values) == 1).all())


def may_name_rows(name: str, values: npt.NDArray[np.float64]) -> bool:
    """Whether a column of whole numbers is called like an identifier, and each is another one."""
    if len(values) < _FEWEST or not _identifies(name) or not np.isfinite(values).all():
        return False
    return not (values % 1 != 0).any() and len(np.unique(values)) == len(values)


def counting_columns(matrix: npt.NDArray[Any]) -> tuple[int, ...]:
    """The columns of [n, c] that hold 0, 1, 2, ... or 1, 2, 3, ...; a mapped file stays mapped."""
    n = len(matrix)
    if n < _FEWEST:
        return ()
    with np.errstate(invalid="ignore"):
        steps = np.asarray(matrix[:2], dtype=np.float64)
        likely = np.isin(steps[0], (0, 1)) & (steps[1] - steps[0] == 1)
        found = np.flatnonzero(likely)
        for start in range(0, n, _BLOCK):
            if not len(found):
                break
            block = np.asarray(matrix[start : start + _BLOCK, found], dtype=np.float64)
            expected = steps[0, found] + np.arange(start, start + len(block))[:, None]
            found = found[(block == expected).all(0)]
    return tuple(int(column) for column in found)


def _identifies(name: str) -> bool:
    return _IDENTIFIER.search(name) is not None or _CAMEL.search(name) is not None
