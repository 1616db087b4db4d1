"""The mean of a cluster: drawn from the seed, or configured."""

from functools import lru_cache

import torch
from torch import Tensor

from natlib.targets.philox import normal_rows
from natlib.targets.sphere import normalise_

__all__ = ["check_length", "drawn_direction"]

# A slot beyond those of any run.
_MEAN_SLOT = 2**62 + 1


@lru_cache(maxsize=256)
def drawn_direction(seed: int, dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A uniformly random point Tensor[d] of the unit sphere, a function of the seed.

    It is cached: do not modify it.
    """
    return normalise_(normal_rows(seed, torch.tensor(_MEAN_SLOT, device=device), dim, dtype))


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
