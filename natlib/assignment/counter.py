"""Fresh slots for every batch."""

import torch
import torch.distributed as dist
from torch import Tensor

from natlib.runtime.processes import process_count, process_rank
from natlib.runtime.training_state import TrainingState

__all__ = ["StreamCounter"]

_SLOTS_OF_A_PROCESS = 2**48


class StreamCounter(TrainingState):
    """Counts out slots that no other batch and no other process ever gets.

    Process r takes the slots from ``r * 2^48`` on, one after the other, so that nothing needs
    to be communicated in a step and the slots of a batch follow each other: distributions
    that spread over neighbouring slots stay spread. ``taken[r]`` is the number of slots that
    process r has taken; it is part of the state, and a run that resumes goes on where it was.
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
            # A process moves its own entry only, and only upwards.
            dist.all_reduce(self.taken, op=dist.ReduceOp.MAX)

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: object
    ) -> None:
        saved = state_dict.get(f"{prefix}taken")
        if saved is not None and len(saved) != len(self.taken):
            # Another number of processes than before: all go on from where the busiest was.
            state_dict[f"{prefix}taken"] = torch.full_like(self.taken, int(saved.max()))
        super()._load_from_state_dict(state_dict, prefix, *rest)
