"""Groups of points that are near each other, all of the same size.

Shapes: n points, d dimensions, a anchors.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cells", "grouped", "halved"]


def grouped(affinity: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Share points out among anchors, as many to each, within one.

    Every point asks for the anchor that it likes best of those that have room; an anchor takes
    those that like it most. Who is turned away asks again.

    Args:
        affinity: [n, a], how much each point likes each anchor, n >= a >= 1.

    Returns:
        a arrays int64 of the numbers of points.
    """
    points, anchors = affinity.shape
    # An anchor that all points like would fill its group with those that like it a bit more.
    wish = affinity - affinity.mean(axis=0, dtype=np.float64).astype(affinity.dtype)
    room = np.full(anchors, points // anchors)
    room[: points % anchors] += 1
    group = np.full(points, -1)
    left = np.arange(points)
    while len(left):
        best = wish[left].argmax(axis=1)
        order = np.lexsort((-wish[left, best], best))
        asked = best[order]
        place = np.arange(len(asked)) - np.searchsorted(asked, asked)
        taken = place < room[asked]
        group[left[order[taken]]] = asked[taken]
        room -= np.bincount(asked[taken], minlength=anchors)
        left = left[order[~taken]]
        wish[:, room == 0] = -np.inf
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group, minlength=anchors))[:-1])


def cells(total: int, leaf: int) -> int:
    """How often points are halved until at most ``leaf`` are left in a cell, as a power of two."""
    count = 1
    while -(-total // count) > leaf:
        count *= 2
    return count


def halved(points: NDArray[Any], directions: NDArray[Any]) -> NDArray[np.int64]:
    """Order in which the halves of all halves lie side by side.

    At first the points are divided at their median along the first direction, then each half
    along the second, each quarter along the third, and so on. Two sets that are divided along
    the same directions have points near each other in the same cell. Points are selected and
    not sorted, so that a level takes time in proportion to n; within a cell of the last level
    they stand in any order.

    Args:
        points: [n, d].
        directions: [levels, d].

    Returns:
        int64[n].
    """
    order = np.arange(len(points))
    along = points @ directions.T
    for level in range(len(directions)):
        # Where halves of this level's cells end, every other one a cell of the level itself.
        bounds = (len(points) * np.arange(2 ** (level + 1) + 1) // 2 ** (level + 1)).tolist()
        value = along[order, level]
        for first, middle, end in zip(bounds[:-2:2], bounds[1:-1:2], bounds[2::2], strict=True):
            if first < middle < end:
                lower = np.argpartition(value[first:end], middle - first)
                order[first:end] = order[first:end][lower]
    return order
