"""A small convolutional network over tokens."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from natlib.encoders import Encoder, EncoderRecipe
from natlib_text.encoders.tokens import (
    mean_over_tokens,
    require_vocabulary,
    trimmed,
    vectors_of_stages,
)
from natlib_text.length import LengthRule

__all__ = ["TextConvNet"]


class TextConvNet(EncoderRecipe):
    """Embeddings of tokens, convolutions over neighbours, and the mean over the text."""

    input_axes: ClassVar[int | None] = 1

    kind: Literal["text_convnet"] = "text_convnet"
    embedding: int = Field(default=128, ge=1)
    """Width of the embedding of a token."""
    widths: tuple[PositiveInt, ...] = Field(default=(256, 256), min_length=1)
    """Channels of each convolution; the last is the number of features."""
    kernel: int = Field(default=3, ge=1)
    """Tokens that a convolution sees at once; an odd number."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout probability of the embeddings in training."""
    vocabulary: int | None = Field(default=None, ge=1)
    """Number of tokens; the modality fills it in."""

    def length_rule(self) -> LengthRule:
        """A token costs the same in texts of any length."""
        return LengthRule(most=1024)

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [tokens]."""
        return _ConvNet(self, require_vocabulary(self.vocabulary, self.kind, input_shape))


class _ConvNet(Encoder):
    def __init__(self, recipe: TextConvNet, vocabulary: int) -> None:
        super().__init__()
        self.dim = recipe.widths[-1]
        self.embedding = nn.Embedding(vocabulary + 1, recipe.embedding, padding_idx=0)
        self.dropout = nn.Dropout(recipe.dropout)
        before = (recipe.embedding, *recipe.widths)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(a, b, recipe.kernel, padding="same")
            for a, b in zip(before, recipe.widths, strict=False)
        )
        # Not batch norm, whose statistics would depend on the padding in a batch.
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in recipe.widths)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.stages(inputs)["features"]

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        tokens = trimmed(inputs)
        mask = tokens != 0
        values: Tensor = self.dropout(self.embedding(tokens))
        outputs = {"embedding": values}
        layers = zip(self.convolutions, self.norms, strict=True)
        for number, (convolution, norm) in enumerate(layers, start=1):
            values = convolution(values.transpose(1, 2)).transpose(1, 2)
            # Padding stays zero, as convolutions assume beyond the ends of a text.
            values = norm(values).relu() * mask[:, :, None]
            outputs[f"conv{number}"] = values
        outputs["features"] = mean_over_tokens(values, mask)
        return outputs

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        return vectors_of_stages(self.stages(inputs), trimmed(inputs) != 0, width)
