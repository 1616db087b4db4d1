"""What an encoder is, and the recipe that builds one."""

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from natlib.component import Component, Registry
from natlib.encoders.pooling import pooled
from natlib.families import ENCODERS

__all__ = ["Encoder", "EncoderRecipe"]


class Encoder(nn.Module):
    """Inputs of a modality in, features Tensor[b, f] out.

    Attributes:
        dim: f, the number of features.
    """

    dim: int

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Features Tensor[b, f] of a batch of prepared inputs."""

    @abstractmethod
    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        """Intermediate outputs by name, from the input to the features."""

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        """What the stages return, each as Tensor[b, w] with w <= ``width``, for probes.

        Here outputs are taken for Tensor[b, channels, *space] and averaged over parts of the
        space. An encoder with another layout, or with padding, overrides this.
        """
        return {name: pooled(output, width) for name, output in self.stages(inputs).items()}


class EncoderRecipe(Component):
    """How to build an encoder; the weights live in what ``build`` returns."""

    registry: ClassVar[Registry[Any]] = ENCODERS

    @abstractmethod
    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """A freshly initialised encoder for inputs of a shape (without the batch)."""
