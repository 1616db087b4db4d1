"""A matching among a few candidate columns for each row, and prices that judge it.

Shapes: b rows and as many columns, e candidate pairs.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

__all__ = ["Candidates", "cheaper_pairs", "cheapest", "joined", "match_candidates", "prices_of"]

# Rows that are looked at together, few enough for a processor's cache.
_TOGETHER = 64
# Columns of a sample that tells how cheap the cheapest ones are.
_SAMPLE = 512


class Candidates(NamedTuple):
    """Pairs that may be matched, row by row.

    Attributes:
        row: int64[e], rising.
        column: int64[e].
        cost: float64[e].
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    cost: NDArray[np.float64]


def cheapest(cost: NDArray[Any], count: int) -> Candidates:
    """About the ``count`` cheapest columns of each row; more where costs are tied."""
    size = len(cost)
    sample = np.ascontiguousarray(cost[:, :: max(1, size // _SAMPLE)])
    rank = min(max(1, round(count * sample.shape[1] / size)), sample.shape[1] - 1)
    limit = np.partition(sample, rank, axis=1)[:, rank]
    return _picked(cost, np.flatnonzero(cost <= limit[:, None]))


def cheaper_pairs(
    cost: NDArray[Any], matched: NDArray[np.int64], price: NDArray[np.float64], tolerance: float
) -> NDArray[np.int64]:
    """Pairs that are cheaper than the row's own, prices taken off, by more than ``tolerance``.

    Returns:
        int64[...], their places in the flat ``cost``. If there is none the matching misses the
        cheapest one by ``b * tolerance`` at most.
    """
    size = len(cost)
    own = cost[np.arange(size), matched] - price[matched]
    found = []
    for start in range(0, size, _TOGETHER):
        rows = slice(start, start + _TOGETHER)
        least = (own[rows] - tolerance).astype(cost.dtype)
        some = cost[rows] - price.astype(cost.dtype) < least[:, None]
        found.append(np.flatnonzero(some) + start * size)
    return np.concatenate(found)


def joined(cost: NDArray[Any], known: Candidates, places: NDArray[np.int64]) -> Candidates:
    """Candidates and others, given by their places in the flat ``cost``."""
    return _picked(cost, np.union1d(known.row * len(cost) + known.column, places))


def _picked(cost: NDArray[Any], places: NDArray[np.int64]) -> Candidates:
    row, column = np.divmod(places, len(cost))
    return Candidates(row, column, cost.ravel()[places].astype(np.float64))


def match_candidates(
    candidates: Candidates, price: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """The cheapest matching of candidates, int64[b]; None if they have no matching.

    scipy's LAPJVsp: shortest augmenting paths along candidates only. The better the prices
    float64[b], the less it has to search.
    """
    size = len(price)
    weight = candidates.cost - price[candidates.column]
    # Zeros would be no candidates; a constant changes no matching.
    weight += 1 - weight.min()
    first = np.searchsorted(candidates.row, np.arange(size + 1))
    graph = csr_array(
        (weight, candidates.column.astype(np.int32), first.astype(np.int32)), shape=(size, size)
    )
    try:
        _, matched = min_weight_full_bipartite_matching(graph)
    except ValueError:
        return None
    return np.asarray(matched, dtype=np.int64)


def prices_of(
    candidates: Candidates,
    matched: NDArray[np.int64],
    start: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64] | None:
    """What to take off each column so that every row has its cheapest candidate.

    The shortest distances of columns in the graph in which a step leads from the column of a
    row to its other candidates, and costs the difference (Bellman 1958, Ford 1956). Only the
    rows of columns that moved are looked at again.

    Args:
        candidates: of all rows.
        matched: int64[b], their cheapest matching.
        start: float64[b], prices to go down from.
        tolerance: by which another candidate may be cheaper.

    Returns:
        float64[b]; None if that takes too long.
    """
    size = len(matched)
    row, column, cost = candidates
    first = np.searchsorted(row, np.arange(size + 1))
    own = np.empty(size)
    pair = column == matched[row]
    own[row[pair]] = cost[pair]
    more = cost - own[row]
    owner = np.argsort(matched)
    price = start.copy()
    active = np.arange(size)
    for _ in range(4 * _SAMPLE):
        if not len(active):
            return price
        count = first[active + 1] - first[active]
        # The candidates of all active rows, one row after the other.
        before = np.cumsum(count) - count
        pairs = np.repeat(first[active] - before, count) + np.arange(count.sum())
        offer = price[matched[row[pairs]]] + more[pairs]
        lower = offer < price[column[pairs]] - tolerance
        moved = column[pairs[lower]]
        np.minimum.at(price, moved, offer[lower])
        active = np.sort(owner[np.unique(moved)])
    return None
