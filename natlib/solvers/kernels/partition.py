"""Divide points into groups of the same size, of points near each other.

Shapes: n points, d dimensions, a anchors.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["balanced_groups", "halving_order", "leaf_count"]


def balanced_groups(affinity: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Assign points to anchors, equally many to each, within one.

    Every point proposes to its nearest anchor with room left; an anchor accepts the proposals of
    the highest affinity. Points that were rejected propose again.

    Args:
        affinity: [n, a], how near each point is to each anchor, n >= a >= 1.

    Returns:
        a arrays int64, the points of each group.
    """
    points, anchors = affinity.shape
    # Otherwise an anchor that is near to all points would take some that belong elsewhere.
    preference = affinity - affinity.mean(axis=0, dtype=np.float64).astype(affinity.dtype)
    room = np.full(anchors, points // anchors)
    room[: points % anchors] += 1
    group = np.full(points, -1)
    left = np.arange(points)
    while len(left):
        best = preference[left].argmax(axis=1)
        order = np.lexsort((-preference[left, best], best))
        asked = best[order]
        place = np.arange(len(asked)) - np.searchsorted(asked, asked)
        taken = place < room[asked]
        group[left[order[taken]]] = asked[taken]
        room -= np.bincount(asked[taken], minlength=anchors)
        left = left[order[~taken]]
        preference[:, room == 0] = -np.inf
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group, minlength=anchors))[:-1])


def leaf_count(total: int, leaf: int) -> int:
    """Leaves of at most ``leaf`` points that repeated halving makes of them: a power of two."""
    count = 1
    while -(-total // count) > leaf:
        count *= 2
    return count


def halving_order(points: NDArray[Any], directions: NDArray[Any]) -> NDArray[np.int64]:
    """Order points so that the leaves of repeated halving are consecutive.

    The points are divided at their median along the first direction, then each half
    along the second, each quarter along the third, and so on. Two sets that are divided along
    the same directions have points near each other in the same leaf. Points are selected and
    not sorted, so that a level takes time in proportion to n; within a leaf they are in any
    order.

    Args:
        points: [n, d].
        directions: [levels, d].

    Returns:
        int64[n].
    """
    order = np.arange(len(points))
    along = points @ directions.T
    for level in range(len(directions)):
        # Where the halves of this level end; every other bound is one of the level before.
        bounds = (len(points) * np.arange(2 ** (level + 1) + 1) // 2 ** (level + 1)).tolist()
        value = along[order, level]
        for first, middle, end in zip(bounds[:-2:2], bounds[1:-1:2], bounds[2::2], strict=True):
            if first < middle < end:
                lower = np.argpartition(value[first:end], middle - first)
                order[first:end] = order[first:end][lower]
    return order
