"""The counter of used slots of a stream."""

import torch
import torch.distributed as dist
from torch import Tensor

from natlib.runtime.processes import process_count, process_rank
from natlib.runtime.training_state import TrainingState

__all__ = ["StreamCounter"]

_SLOTS_OF_A_PROCESS = 2**48


class StreamCounter(TrainingState):
    """Hands out slots, each to one batch of one process only.

    Process r takes consecutive slots from ``r * 2^48`` on, so that no communication is needed in
    a step, and distributions that spread over consecutive slots stay spread. ``taken[r]``, the
    number of slots that process r has taken, is part of the state: a resumed run continues there.
    """

    taken: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taken", torch.zeros(process_count(), dtype=torch.int64))

    def peek(self, count: int) -> Tensor:
        """The next ``count`` slots of this process, int64[count], without taking them."""
        rank = process_rank()
        first = rank * _SLOTS_OF_A_PROCESS + self.taken[rank]
        return first + torch.arange(count, device=self.taken.device)

    def take(self, count: int) -> Tensor:
        """The next ``count`` slots of this process, int64[count]."""
        slots = self.peek(count)
        self.taken[process_rank()] += count
        return slots

    @torch.no_grad()
    def merge(self) -> None:
        """Tell all processes what each has taken; a collective call, a no-op for one."""
        if process_count() > 1:
            # Each process only changes its own entry, and only increases it.
            dist.all_reduce(self.taken, op=dist.ReduceOp.MAX)

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: object
    ) -> None:
        saved = state_dict.get(f"{prefix}taken")
        if saved is not None and len(saved) != len(self.taken):
            # The number of processes has changed: all continue from the highest count.
            state_dict[f"{prefix}taken"] = torch.full_like(self.taken, int(saved.max()))
        super()._load_from_state_dict(state_dict, prefix, *rest)
