"""Masks of allowed pairs: does any matching satisfy one?"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from natlib.errors import MatchingError

__all__ = ["check_feasible"]


def check_feasible(allowed: Tensor, stack: tuple[int, ...]) -> None:
    """Refuse a mask that leaves a row without a column of its own.

    Args:
        allowed: bool[p, b, k].
        stack: shape of the stack that the p problems were, for the message.

    Raises:
        MatchingError: names the first row that stays without, and its problem.
    """
    for number, mask in enumerate(allowed.cpu().numpy()):
        if mask.all():
            continue
        row = _row_left_over(mask)
        if row is None:
            continue
        where = [int(i) for i in np.unravel_index(number, stack)] if stack else None
        problem = f" of problem {where}" if where else ""
        few = int(mask[row].sum())
        raise MatchingError(
            f"row {row}{problem} cannot get a column of its own: its {few} allowed columns are "
            "taken by rows that have no others; allow more pairs"
            if few
            else f"row {row}{problem} has no allowed column; allow it at least one"
        )


def _row_left_over(mask: NDArray[np.bool_]) -> int | None:
    empty = np.flatnonzero(~mask.any(axis=1))
    if len(empty):
        return int(empty[0])
    matched = maximum_bipartite_matching(csr_array(mask), perm_type="column")
    left = np.flatnonzero(matched < 0)
    return int(left[0]) if len(left) else None
