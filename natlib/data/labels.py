"""Labels as numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["encode_labels"]


def encode_labels(
    *groups: npt.NDArray[Any] | None,
) -> tuple[list[Tensor | None], list[str]]:
    """Labels of several splits, numbered alike: class 0 is the smallest value that occurs.

    Negative integers mean "no label".
    """
    known = [np.asarray(group) for group in groups if group is not None]
    if not known:
        return [None] * len(groups), []
    values = np.unique(np.concatenate(known))
    if values.dtype.kind == "i":
        values = values[values >= 0]
    encoded: list[Tensor | None] = []
    for group in groups:
        if group is None:
            encoded.append(None)
            continue
        position = np.searchsorted(values, group)
        if values.dtype.kind == "i":
            position = np.where(np.asarray(group) < 0, -1, position)
        encoded.append(torch.from_numpy(position.astype(np.int64)))
    return encoded, [str(value) for value in values]
