"""Whether rounding is small beside the costs of the pairs that were matched."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_resolved"]

# Rounding as a share of the cost of a typical pair. Points on a sphere need 5e-5 in float32, at
# the dimension where half their squared distance to their targets is about 0.
_SHARE = {4: 1e-4, 8: 1e-8}
# The eighth of the pairs that costs least may be smaller than the typical pair by this factor.
_SMALLER = 100


def is_resolved(chosen: NDArray[Any], rounding: float, precision: int) -> bool:
    """Whether costs that are off by ``rounding`` still tell which matching is the cheapest.

    The measure is what the matched pairs cost, and not the largest cost: penalties of 1e6 on pairs
    that nobody wants say nothing about how finely costs below 1 have to be told apart. Quantiles
    are used because some rows may have no pair without a penalty.

    Args:
        chosen: [b], the costs of the matched pairs.
        rounding: by how much the difference of two pairs may be wrong.
        precision: 4 or 8, the bytes of a number in the arithmetic in question.
    """
    size = np.abs(chosen)
    size.sort()
    share = _SHARE[precision]
    typical, small = float(size[len(size) // 2]), float(size[len(size) // 8])
    return rounding <= share * min(typical, _SMALLER * small)
