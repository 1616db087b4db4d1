"""A queue of the samples matched last, so that a matching may be larger than a batch.

Shapes: q samples in the queue, N at most; m slots per sample; d target dimensions.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from natlib.runtime.processes import process_count, process_rank

__all__ = ["Pool", "PoolEntries"]


@dataclass(frozen=True)
class PoolEntries:
    """What a pool holds, the oldest first.

    Attributes:
        anchors: Tensor[q, d], what voted in the matching of each sample.
        slots: int64[m, q], what it owns.
        index: int64[q], its stable index, on the host; -1 where samples have none.
    """

    anchors: Tensor
    slots: Tensor
    index: Tensor


class Pool(nn.Module):
    """The last N samples that this process matched (the queue of SwAV, with targets for slots).

    Anchors are as old as the samples: an encoder that changes slowly makes them good enough to
    compete for targets, and a matching among more samples finds each a nearer one. All
    processes' queues are part of the state.

    Args:
        size: N, the samples that are kept.
        slots: m.
        dim: d.
    """

    anchors: Tensor
    slots: Tensor
    index: Tensor
    filled: Tensor
    epoch: Tensor

    def __init__(self, size: int, slots: int, dim: int) -> None:
        super().__init__()
        world = process_count()
        self.size = size
        self.register_buffer("anchors", torch.zeros(world, size, dim))
        self.register_buffer("slots", torch.zeros(world, slots, size, dtype=torch.int64))
        self.register_buffer("index", torch.full((world, size), -1))
        self.register_buffer("filled", torch.zeros(world, dtype=torch.int64))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        # What the buffers say of this process, on the host: reading them in every step would
        # make an accelerator wait. None where it is not known.
        self._held: int | None = 0
        self._of_epoch: int | None = 0
        self._members: Tensor | None = torch.empty(0, dtype=torch.int64)

    def entries(self, without: Tensor | None = None) -> PoolEntries:
        """What this process holds.

        Args:
            without: int64[b], samples to leave out, as one sample must not compete twice; on
                the host, where this is decided.
        """
        rank = process_rank()
        if self._held is None:
            self._held = int(self.filled[rank])
        first = self.size - self._held
        if self._members is None:
            self._members = self.index[rank, first:].to("cpu", copy=True)
        anchors, slots = self.anchors[rank, first:], self.slots[rank, :, first:]
        if without is None:
            return PoolEntries(anchors, slots, self._members)
        other = np.flatnonzero(~np.isin(self._members.numpy(), without.numpy()))
        kept = torch.from_numpy(other)
        keep = kept.to(anchors.device, non_blocking=True)
        return PoolEntries(anchors[keep], slots[:, keep], self._members[kept])

    def fill(self, entries: PoolEntries) -> None:
        """Hold the last N of these entries, in their order."""
        rank = process_rank()
        count = min(self.size, len(entries.index))
        self.filled[rank] = self._held = count
        self._members = entries.index[len(entries.index) - count :].clone()
        if count:
            self.anchors[rank, -count:] = entries.anchors[-count:].to(self.anchors.dtype)
            self.slots[rank, :, -count:] = entries.slots[:, -count:]
            self.index[rank, -count:].copy_(self._members, non_blocking=True)

    def forget_other_epochs(self, epoch: int) -> None:
        """Start empty where the epoch is another than in the last call."""
        if self._of_epoch is None:
            self._of_epoch = int(self.epoch)
        if self._of_epoch != epoch:
            self.filled[process_rank()] = self._held = 0
            self._members = None
            self.epoch.fill_(epoch)
            self._of_epoch = epoch

    @torch.no_grad()
    def merge(self) -> None:
        """Tell all processes what each holds; a collective call, a no-op for one."""
        if process_count() == 1:
            return
        for held in (self.anchors, self.slots, self.index, self.filled):
            for rank, of_one in enumerate(held):
                dist.broadcast(of_one, src=rank)

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: object
    ) -> None:
        self._held = self._of_epoch = self._members = None
        saved = state_dict.get(f"{prefix}filled")
        if saved is not None and len(saved) != len(self.filled):
            # Another number of processes than before: what was whose is lost, so start empty.
            for name, own in self.named_buffers():
                state_dict[f"{prefix}{name}"] = torch.zeros_like(own)
        super()._load_from_state_dict(state_dict, prefix, *rest)
