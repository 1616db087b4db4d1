"""How far an update has moved the weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["weight_change"]


@torch.no_grad()
def weight_change(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """Norm of the change of the weights, as a share of the norm of the weights.

    Args:
        before: copies of the weights, from before an update.
        after: the weights.

    Returns:
        Scalar on their device, 0 where there are no weights.
    """
    if not after:
        return torch.zeros(())
    moved = torch._foreach_sub(list(after), list(before))
    tiny = torch.finfo(torch.float32).tiny
    length = nn.utils.get_total_norm(after).clamp_min(tiny)
    return nn.utils.get_total_norm(moved) / length
