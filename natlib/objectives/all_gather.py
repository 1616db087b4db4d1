"""Gather rows from all processes, with gradients.

If every process computes the loss of the gathered rows, and scales it as the loop scales the mean
of a process's own samples, the gradient is exactly that of one process with the whole batch:
backward sums the gradients of all processes.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from natlib.runtime.processes import process_count, process_rank

__all__ = ["all_gather_with_grad"]


def all_gather_with_grad(rows: Tensor, axis: int = 0) -> Tensor:
    """The rows of all processes, in the order of their ranks; a collective call.

    The gradient of a row returns to the process that owns it, summed over the losses of all
    processes. A single process gets its own rows back.

    Args:
        rows: Tensor[..., b, ...]; b may differ between processes.
        axis: the axis of length b.
    """
    if process_count() == 1:
        return rows
    moved = rows.movedim(axis, 0).contiguous()
    found: Tensor = _Gather.apply(moved)  # type: ignore[no-untyped-call]
    return found.movedim(0, axis)


class _Gather(torch.autograd.Function):
    """All rows along the first axis."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        world = process_count()
        counts = [torch.zeros((), dtype=torch.int64, device=rows.device) for _ in range(world)]
        dist.all_gather(counts, torch.tensor(len(rows), device=rows.device))
        sizes = [int(count) for count in counts]
        ctx.sizes = sizes
        # all_gather needs equal shapes: shorter batches are padded.
        sent = rows.new_zeros(max(sizes), *rows.shape[1:])
        sent[: len(rows)] = rows
        received = [torch.empty_like(sent) for _ in range(world)]
        dist.all_gather(received, sent)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        mine: Tensor = summed.split(ctx.sizes)[process_rank()]
        return mine
