"""Prototypes that learn."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from natlib.runtime.processes import process_count
from natlib.targets.base import TargetModule
from natlib.targets.prototypes import Prototypes
from natlib.targets.tight_frame import tight_frame

__all__ = ["GradientPrototypes", "MeanPrototypes", "PrototypeModule"]


class PrototypeModule(TargetModule):
    """K vectors of norm 1 that change in training.

    Args:
        config: where they start.
    """

    vectors: Tensor

    def __init__(self, config: Prototypes) -> None:
        super().__init__(config)
        self.config = config

    def prototypes(self) -> Tensor:
        """The vectors Tensor[k, d] as they are now."""
        return self.vectors

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        vectors = self.prototypes()
        owner = self.config.prototype_of(slot.to(vectors.device))
        return F.embedding(owner, vectors).to(dtype)

    def _start(self) -> Tensor:
        return self.config.start.rows(torch.arange(self.config.count))


class GradientPrototypes(PrototypeModule):
    """Prototypes that are weights.

    The weights are free; what is used is made of them at every use, spread out or at least
    normalised. So the vectors keep their shape under any optimiser, the gradients of several
    processes are averaged like all others, and a checkpoint holds plain weights.
    """

    def __init__(self, config: Prototypes) -> None:
        super().__init__(config)
        self.vectors = nn.Parameter(self._start())

    def prototypes(self) -> Tensor:
        return (
            tight_frame(self.vectors) if self.config.spread else F.normalize(self.vectors, dim=-1)
        )


class MeanPrototypes(PrototypeModule):
    """Prototypes that follow the mean of what is matched to them."""

    def __init__(self, config: Prototypes) -> None:
        super().__init__(config)
        self.register_buffer("vectors", self._kept(self._start()))

    def _kept(self, vectors: Tensor) -> Tensor:
        return tight_frame(vectors) if self.config.spread else F.normalize(vectors, dim=-1)

    @torch.no_grad()
    def update(self, slot: Tensor, z: Tensor) -> None:
        """Move; one collective call of K (d + 1) numbers where several processes train.

        A prototype that nothing is matched to in a step stays (but for being spread out).
        """
        owner = self.config.prototype_of(slot.to(self.vectors.device))
        # The last column counts.
        voter = F.pad(z.detach().to(self.vectors), (0, 1), value=1.0)
        voters = voter.expand(*owner.shape, -1).flatten(0, -2)
        total = voter.new_zeros(self.config.count, voter.shape[-1])
        total.index_add_(0, owner.flatten(), voters)
        if process_count() > 1:
            dist.all_reduce(total)
        mean = F.normalize(total[:, :-1], dim=-1)
        rate = self.config.rate * (total[:, -1:] > 0)
        self.vectors.copy_(self._kept(torch.lerp(self.vectors, mean, rate)))
