"""The contract of encoders, and of the recipes that build them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from natlib.component import Component, Registry
from natlib.encoders.pooling import pool_stage
from natlib.families import ENCODERS

__all__ = ["Encoder", "EncoderRecipe"]


class Encoder(nn.Module):
    """Computes features Tensor[b, f] of a modality's inputs.

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
        """The outputs of the stages, each pooled to Tensor[b, w] with w <= ``width``, for probes.

        Assumes the layout Tensor[b, channels, *space] and averages over cells of the space. An
        encoder with another layout, or with padding, overrides this.
        """
        return {name: pool_stage(output, width) for name, output in self.stages(inputs).items()}


class EncoderRecipe(Component):
    """How to build an encoder; the weights belong to the encoder that ``build`` returns."""

    registry: ClassVar[Registry[Any]] = ENCODERS

    input_axes: ClassVar[int | None] = None
    """Number of axes of the inputs that it reads, without the batch; None if any will do."""

    @classmethod
    def resolve(cls, value: Any) -> Self:
        """See :meth:`Component.resolve`; a module is refused, as no file can hold it."""
        if isinstance(value, nn.Module):
            raise PydanticCustomError(
                "component",
                "expected a recipe that builds the encoder, got the module {name}; write a class "
                "of EncoderRecipe whose build() returns it, or use the objective in a loop of "
                "your own (docs/composing.md has both)",
                {"name": type(value).__name__},
            )
        return super().resolve(value)

    @property
    def pretrained(self) -> str | None:
        """Name of the model whose weights :meth:`build` reads; None where weights are random."""
        return None

    def inputs(self) -> Mapping[str, Any]:
        """Settings of the modality that the encoder's weights were trained with.

        The size of images and their mean, say, or the tokenizer: a run takes them where nothing
        else is set, see :meth:`natlib.data.Modality.for_encoder`. By default none.

        Raises:
            ConfigError: a checkpoint that says them cannot be read.
        """
        return {}

    @abstractmethod
    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """A freshly initialised encoder for inputs of a shape (without the batch dimension)."""
