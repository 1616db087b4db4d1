"""From a soft plan or an unfinished matching to a one-to-one one.

Shapes: p problems, b rows, k columns.
"""

import numpy as np
import torch
from torch import Tensor

from natlib.solvers.mask import complete

__all__ = ["completed"]


def completed(columns: Tensor, allowed: Tensor | None, width: int) -> Tensor:
    """Give rows without a column one that is allowed.

    Args:
        columns: int64[p, b], -1 where a row has none.
        allowed: bool[p, b, k], with a matching in every problem; None for all pairs.
        width: k, the number of columns.

    Returns:
        int64[p, b], one-to-one and allowed; rows that had a column keep it where they can.
    """
    host = columns.cpu().numpy().copy()
    for problem in np.flatnonzero((host < 0).any(axis=1)):
        if allowed is None:
            free = np.setdiff1d(np.arange(width), host[problem])
            rows = np.flatnonzero(host[problem] < 0)
            host[problem, rows] = free[: len(rows)]
        else:
            host[problem] = complete(host[problem], allowed[problem].cpu().numpy())
    return torch.from_numpy(host).to(columns.device)
