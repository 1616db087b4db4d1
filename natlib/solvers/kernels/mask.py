"""Masks of allowed pairs: check that a matching exists, and complete a partial one.

Shapes: p problems, b rows, k columns.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from natlib.errors import MatchingError

__all__ = ["check_feasible", "complete", "is_feasible", "masked"]


def masked(cost: NDArray[Any], allowed: NDArray[np.bool_] | None, fill: float) -> NDArray[Any]:
    """Costs [b, k] with ``fill`` for pairs that are not allowed; unchanged without a mask."""
    return cost if allowed is None else np.where(allowed, cost, cost.dtype.type(fill))


def complete(columns: NDArray[np.int64], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Match every free row, along augmenting paths (Berge 1957).

    A matched row keeps its column unless a free row needs it; then it moves to another
    allowed one. Free columns are taken first.

    Args:
        columns: int64[b], the column of each row, -1 for a free row; no column twice, and
            only allowed ones; not modified.
        allowed: bool[b, k], the pairs that may be matched.

    Returns:
        int64[b], a full matching of allowed pairs.

    Raises:
        MatchingError: the mask has no full matching.
    """
    columns = columns.astype(np.int64)
    owner = np.full(allowed.shape[1], -1, dtype=np.int64)
    taken = np.flatnonzero(columns >= 0)
    owner[columns[taken]] = taken
    for row in np.flatnonzero(columns < 0):
        reached = _augment(int(row), columns, owner, allowed)
        if reached is not None:
            raise MatchingError(_message(int(row), reached, allowed, ""))
    return columns


def is_feasible(allowed: NDArray[np.bool_]) -> bool:
    """Whether a mask bool[b, k] has a matching of all rows."""
    return bool((maximum_bipartite_matching(csr_array(allowed), perm_type="column") >= 0).all())


def check_feasible(allowed: Tensor, stack: tuple[int, ...]) -> None:
    """Raise an error if a mask admits no matching of all rows.

    Args:
        allowed: bool[p, b, k].
        stack: shape of the stack that the p problems were, for the message.

    Raises:
        MatchingError: names a row that cannot be matched, its problem, and the rows that it
            competes with.
    """
    for number, mask in enumerate(allowed.cpu().numpy()):
        if mask.all():
            continue
        empty = np.flatnonzero(~mask.any(axis=1))
        largest = maximum_bipartite_matching(csr_array(mask), perm_type="column")
        left = np.flatnonzero(largest < 0)
        if not len(left):
            continue
        row = int(empty[0] if len(empty) else left[0])
        columns = largest.astype(np.int64)
        owner = np.full(mask.shape[1], -1, dtype=np.int64)
        owner[columns[columns >= 0]] = np.flatnonzero(columns >= 0)
        reached = _augment(row, columns, owner, mask)
        assert reached is not None, "a largest matching has no augmenting path"
        where = [int(i) for i in np.unravel_index(number, stack)] if stack else None
        raise MatchingError(_message(row, reached, mask, f" of problem {where}" if where else ""))


def _augment(
    row: int, columns: NDArray[np.int64], owner: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> NDArray[np.int64] | None:
    """Match ``row`` by the shortest augmenting path, in place: ``columns`` and ``owner``.

    Returns:
        None if that was possible; else the rows that were reached, which together have one
        column too few (a violator of Hall's condition).
    """
    parent = np.full(allowed.shape[1], -1, dtype=np.int64)  # the row that a column is reached from
    front = np.array([row], dtype=np.int64)
    reached = [front]
    while len(front):
        new = np.flatnonzero(allowed[front].any(axis=0) & (parent < 0))
        parent[new] = front[allowed[np.ix_(front, new)].argmax(axis=0)]
        free = new[owner[new] < 0]
        if len(free):
            column = int(free[0])
            while True:
                mover = int(parent[column])
                owner[column], columns[mover], column = mover, column, int(columns[mover])
                if mover == row:
                    return None
        front = owner[new]
        reached.append(front)
    return np.sort(np.concatenate(reached))


def _message(row: int, reached: NDArray[np.int64], allowed: NDArray[np.bool_], problem: str) -> str:
    others = [int(other) for other in reached if other != row]
    if not others:
        return f"row {row}{problem} has no allowed column; allow it at least one"
    listed = ", ".join(map(str, others[:5])) + (", ..." if len(others) > 5 else "")
    return (
        f"row {row}{problem} cannot get a column of its own: it and {len(others)} other "
        f"row{'s' * (len(others) > 1)} ({listed}) may take only "
        f"{int(allowed[reached].any(axis=0).sum())} columns between them; allow more pairs"
    )
