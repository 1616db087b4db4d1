"""Match rows among a few candidate columns each, and find prices that prove it optimal.

Shapes: b rows and as many columns, e candidate pairs.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

__all__ = [
    "Candidates",
    "add_pairs",
    "cheaper_pairs",
    "cheapest",
    "match_candidates",
    "optimal_prices",
]

# Rows that are compared at a time: so few that they fit into a processor's cache.
_TOGETHER = 64
# Columns of the sample that the threshold for cheap ones is estimated from.
_SAMPLE = 512


class Candidates(NamedTuple):
    """Candidate pairs, sorted by row.

    Attributes:
        row: int64[e], ascending.
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
    """Pairs whose reduced cost is below that of the row's matched pair by more than ``tolerance``.

    Returns:
        int64[...], their indices in the flattened ``cost``. If there are none, the matching costs
        at most ``b * tolerance`` more than the cheapest one.
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


def add_pairs(cost: NDArray[Any], known: Candidates, places: NDArray[np.int64]) -> Candidates:
    """Candidates and further pairs, given by their indices in the flattened ``cost``."""
    return _picked(cost, np.union1d(known.row * len(cost) + known.column, places))


def _picked(cost: NDArray[Any], places: NDArray[np.int64]) -> Candidates:
    row, column = np.divmod(places, len(cost))
    return Candidates(row, column, cost.ravel()[places].astype(np.float64))


def match_candidates(
    candidates: Candidates, price: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """The cheapest matching among candidates, int64[b]; None if there is none.

    SciPy's LAPJVsp: shortest augmenting paths along candidates only. The better the prices
    float64[b], the shorter the search.
    """
    size = len(price)
    weight = candidates.cost - price[candidates.column]
    # Zeros would count as missing; a constant changes no matching. One that suits the size of the
    # weights leaves them their digits.
    least = float(weight.min())
    span = float(weight.max()) - least
    weight += (1.0 if not span or 1e-3 < span < 1e3 else span) - least
    first = np.searchsorted(candidates.row, np.arange(size + 1))
    graph = csr_array(
        (weight, candidates.column.astype(np.int32), first.astype(np.int32)), shape=(size, size)
    )
    try:
        _, matched = min_weight_full_bipartite_matching(graph)
    except ValueError:
        return None
    return np.asarray(matched, dtype=np.int64)


def optimal_prices(
    candidates: Candidates,
    matched: NDArray[np.int64],
    start: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64] | None:
    """Prices to subtract from columns so that every row is matched with its cheapest candidate.

    They are shortest distances in the graph whose edges lead from the matched column of a row to
    its other candidates, with the difference in cost as length (Bellman 1958, Ford 1956). Only
    rows whose columns changed are visited again.

    Args:
        candidates: of all rows.
        matched: int64[b], their cheapest matching.
        start: float64[b], prices that are only lowered.
        tolerance: by how much another candidate may be cheaper.

    Returns:
        float64[b]; None if it takes too many rounds.
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
        # The candidates of all active rows, concatenated.
        before = np.cumsum(count) - count
        pairs = np.repeat(first[active] - before, count) + np.arange(count.sum())
        offer = price[matched[row[pairs]]] + more[pairs]
        lower = offer < price[column[pairs]] - tolerance
        moved = column[pairs[lower]]
        np.minimum.at(price, moved, offer[lower])
        active = np.sort(owner[np.unique(moved)])
    return None
