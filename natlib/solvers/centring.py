"""Take out of a cost matrix what decides nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["centred"]

# Costs outside of these are scaled before they are added up: sums of larger ones overflow
# and means of smaller ones lose digits.
_LARGE, _SMALL = 1e30, 1e-30


def centred(cost: NDArray[Any]) -> NDArray[Any]:
    """The same matching problem with costs between -1 and 1 that are 0 on average.

    A constant added to a row changes no matching, neither does a positive factor, and
    where every column is taken neither does a constant added to a column. Nearly collapsed
    features have costs that consist mostly of such constants.

    Args:
        cost: finite [b, k], k >= b >= 1; it is left as it is.

    Returns:
        [b, k], a fresh array of the same precision (float64 for costs of extreme size);
        all 0 if every matching costs the same.
    """
    peak = _peak(cost)
    if peak and not _SMALL < peak < _LARGE:
        # Halved, so that the difference of two of the largest numbers is finite.
        cost = cost.astype(np.float64) / peak / 2
    rest: NDArray[Any] = cost - cost.mean(axis=1, keepdims=True)
    if rest.shape[0] == rest.shape[1]:
        rest -= rest.mean(axis=0)
    peak = _peak(rest)
    if peak:
        rest /= peak
    return rest


def _peak(cost: NDArray[Any]) -> float:
    return max(float(cost.max()), -float(cost.min()))
