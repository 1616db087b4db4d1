"""The same rows in every process, so that a loss may compare all samples of a step.

A loss that is computed in every process from gathered rows, and scaled as the loop scales the mean
of a process's own samples, gives exactly the gradient of one process with the whole batch: what
each process passes back is summed over the processes.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from natlib.runtime.processes import process_count, process_rank

__all__ = ["all_gather_with_grad"]


def all_gather_with_grad(rows: Tensor, axis: int = 0) -> Tensor:
    """Rows of all processes, one process after the other; a collective call.

    Gradients come back to the process that a row is of, from all losses that it is in. With a
    single process these are the rows themselves.

    Args:
        rows: Tensor[..., b, ...]; b may differ between processes.
        axis: the one that is b long.
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
        # Processes send equally much: shorter ones are filled up.
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
