"""Labels as numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data.files.names import canonical
from natlib.errors import DataError

__all__ = ["encode_labels"]


def encode_labels(
    *groups: npt.NDArray[Any] | None,
) -> tuple[list[Tensor | None], list[str]]:
    """Labels of several splits, numbered alike: class 0 is the smallest value that occurs.

    Negative integers mean "no label". Texts in different Unicode forms are one label.

    Raises:
        DataError: the labels are -1 and 1, which are two classes for many.
    """
    groups = tuple(None if group is None else _canonical(np.asarray(group)) for group in groups)
    known = [group for group in groups if group is not None]
    if not known:
        return [None] * len(groups), []
    values = np.unique(np.concatenate(known))
    if values.dtype.kind == "i":
        if values.tolist() == [-1, 1]:
            raise DataError(
                "the labels are -1 and 1, and -1 means that there is no label; write 0 and 1, or "
                "text"
            )
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


def _canonical(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind != "U" or all(value.isascii() for value in values.tolist()):
        return values
    return np.array([canonical(value) for value in values.tolist()])
