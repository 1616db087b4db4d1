"""Where the middle of a cluster lies: drawn from the seed, or given."""

from functools import lru_cache

import torch
from torch import Tensor

from natlib.targets.philox import normal_rows
from natlib.targets.sphere import normalise_

__all__ = ["check_length", "drawn_direction"]

# Beyond the last slot of any run.
_MIDDLE = 2**62 + 1


@lru_cache(maxsize=256)
def drawn_direction(seed: int, dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A point Tensor[d], uniform on the unit sphere, that depends on the seed alone.

    It is computed once: do not change it.
    """
    return normalise_(normal_rows(seed, torch.tensor(_MIDDLE, device=device), dim, dtype))


def check_length(mean: tuple[float, ...], dim: int) -> None:
    """Refuse a mean of another length than the targets.

    Raises:
        ValueError: the lengths differ.
    """
    if len(mean) != dim:
        raise ValueError(
            f"mean has {len(mean)} numbers and the targets have {dim}; "
            f"give {dim} numbers or set dim to {len(mean)}"
        )
