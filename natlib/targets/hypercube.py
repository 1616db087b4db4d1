"""Targets at the corners of a hypercube, for binary codes."""

from typing import Literal

import torch
from torch import Tensor

from natlib.component import register
from natlib.targets.base import TargetDistribution
from natlib.targets.philox import counter_words, slot_halves

__all__ = ["Hypercube"]

_SIGNS = 1  # the last word of a counter; see natlib.targets.philox


@register
class Hypercube(TargetDistribution):
    """Random corners of the hypercube: d independent signs, over sqrt(d).

    The corners lie on the unit sphere, and head outputs are normalised. Embeddings learn to lie
    near corners, so their signs are a code of d bits: see :meth:`code`.
    """

    kind: Literal["hypercube"] = "hypercube"

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        # One counter gives 128 bits.
        position = torch.arange(-(-self.dim // 128), device=slot.device)
        low, high = slot_halves(slot.reshape(-1, 1))
        words = torch.stack(counter_words(self.seed, low, high, position[None], _SIGNS), dim=-1)
        place = torch.arange(32, device=slot.device)
        bits = (words.unsqueeze(-1) >> place).bitwise_and_(1).flatten(1)[:, : self.dim]
        corner = self.dim**-0.5
        return bits.to(dtype).mul_(2 * corner).sub_(corner).reshape(*slot.shape, self.dim)

    @staticmethod
    def code(z: Tensor) -> Tensor:
        """The binary code bool[..., d] of embeddings Tensor[..., d]: True where positive."""
        return z > 0
