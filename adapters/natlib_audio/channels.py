"""Channels of a clip: which axis they are, and how they become one."""

from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.errors import DataError

__all__ = ["channels_last", "mono"]

# More channels than this are none: the largest arrays of microphones that are common.
_MOST = 64
# A mixture with less than this share of the power that independent channels would leave has lost
# what they hold.
_CANCELLED = 0.2


def channels_last(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array [values], [values, channels] or [channels, values] as [values, channels].

    The shorter axis is that of channels: a clip has more values than channels.

    Raises:
        DataError: the array has another number of axes, or neither is short enough, or both are.
    """
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2:
        raise DataError(f"got an array {list(array.shape)}; expected [values, channels]")
    if not array.size:
        return array.reshape(0, 1)
    short, long = sorted(array.shape)
    if short > _MOST or (short > 1 and long <= _MOST):
        raise DataError(
            f"got an array {list(array.shape)}, and either axis may be that of channels (at most "
            f"{_MOST}, and fewer than values); give one channel, [values]"
        )
    return array if array.shape[1] == short else array.T


def mono(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], bool]:
    """One channel float32[t] from float32[t, channels]: their mean.

    Where channels cancel each other out, as one that is the negative of another does, the mean
    loses what they hold. Then it is the loudest channel instead.

    Returns:
        The channel, and whether they cancel each other out.
    """
    if values.shape[1] == 1:
        return values[:, 0], False
    mixed: npt.NDArray[np.float32] = values.mean(1, dtype=np.float32)
    # Not the constant offset of a microphone: the variance.
    power = values.var(0, dtype=np.float64)
    if mixed.var(dtype=np.float64) < _CANCELLED * power.mean() / values.shape[1]:
        return values[:, int(power.argmax())], True
    return mixed, False
