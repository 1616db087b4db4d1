"""An encoder that returns the outputs of its stages, for probes."""

import torch
from torch import Tensor

from natlib.component import nearest
from natlib.encoders import Encoder
from natlib.errors import ConfigError

__all__ = ["Stages"]


class Stages(Encoder):
    """Returns the outputs of some stages of an encoder, concatenated: Tensor[b, f].

    Args:
        encoder: the encoder.
        width: largest number of features of a stage; see :meth:`Encoder.stage_vectors`.
        stages: which ones, in this order; None for all.

    Attributes:
        widths: number of features of each stage, once something has been computed.
    """

    def __init__(self, encoder: Encoder, width: int, stages: tuple[str, ...] | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.widths: dict[str, int] = {}
        self.dim = 0
        self._width = width
        self._wanted = stages

    def forward(self, inputs: Tensor) -> Tensor:
        """See :class:`Stages`.

        Raises:
            ConfigError: the encoder has no such stage.
        """
        vectors = self.stages(inputs)
        self.widths = {name: vector.shape[1] for name, vector in vectors.items()}
        self.dim = sum(self.widths.values())
        return torch.cat([vector.float() for vector in vectors.values()], 1)

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        vectors = self.encoder.stage_vectors(inputs, self._width)
        if self._wanted is None:
            return vectors
        for name in self._wanted:
            if name not in vectors:
                raise ConfigError(f"the encoder has no stage '{name}'; {nearest(name, vectors)}")
        return {name: vectors[name] for name in self._wanted}
