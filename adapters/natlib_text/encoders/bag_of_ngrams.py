"""A bag of n-grams: the mean of the embeddings of tokens and n-grams."""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from natlib.component import Condition
from natlib.encoders import Encoder, EncoderRecipe
from natlib_text.encoders.tokens import require_vocabulary, trimmed
from natlib_text.length import LengthRule

__all__ = ["BagOfNgrams"]

# Odd and large; products of 31 bits with them fit into int64.
_MULTIPLIERS = (0x9E3779B1, 0x85EBCA6B)
_31_BITS = 0x7FFFFFFF
# AdamW moves a weight by about the learning rate in each step, whatever its size.
_STD = 0.1


class BagOfNgrams(EncoderRecipe):
    """The mean of the embeddings of a text's tokens and n-grams.

    The encoder of fastText (Joulin et al., EACL 2017, arXiv 1607.01759): n-grams are hashed
    into buckets. Fast on any machine; ignores word order except inside an n-gram.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("buckets",), on=("ngrams",), holds=lambda n: n > 1, remedy="set {ngrams} above 1"
        ),
    )

    input_axes: ClassVar[int | None] = 1

    kind: Literal["bag_of_ngrams"] = "bag_of_ngrams"
    width: int = Field(default=256, ge=1)
    """Number of features."""
    ngrams: int = Field(default=2, ge=1, le=5)
    """Longest n-gram that has an embedding; 1 for tokens alone."""
    buckets: int = Field(default=32_768, ge=1)
    """Embeddings that all n-grams of two tokens and more share."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout probability of features in training."""
    vocabulary: int | None = Field(default=None, ge=1)
    """Number of tokens; the modality fills it in."""

    def length_rule(self) -> LengthRule:
        """All of a text, since a token costs little."""
        return LengthRule(most=4096, share=1.0)

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [tokens]."""
        return _Bag(self, require_vocabulary(self.vocabulary, self.kind, input_shape))


class _Bag(Encoder):
    def __init__(self, recipe: BagOfNgrams, vocabulary: int) -> None:
        super().__init__()
        self.dim = recipe.width
        self._ngrams = recipe.ngrams
        self._buckets = recipe.buckets
        self._first = vocabulary + 1
        buckets = recipe.buckets if recipe.ngrams > 1 else 0
        self.bag = nn.EmbeddingBag(self._first + buckets, recipe.width, mode="mean", padding_idx=0)
        nn.init.normal_(self.bag.weight, std=_STD)
        with torch.no_grad():
            self.bag.weight[0] = 0
        self.dropout = nn.Dropout(recipe.dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.stages(inputs)["features"]

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        mean: Tensor = self.bag(self._numbers(trimmed(inputs)))
        return {"mean": mean, "features": self.dropout(mean)}

    def _numbers(self, tokens: Tensor) -> Tensor:
        """int64[b, n], rows of the embedding table: the tokens, then n-grams of two, three, ..."""
        found = [tokens]
        code = tokens
        for size in range(2, self._ngrams + 1):
            # An n-gram is the shorter one before it, and one more token.
            code = _hash(code[:, :-1], tokens[:, size - 1 :])
            inside = tokens[:, size - 1 :] != 0
            found.append(torch.where(inside, self._first + code % self._buckets, 0))
        return torch.cat(found, 1)


def _hash(code: Tensor, token: Tensor) -> Tensor:
    """A hash of 31 bits of both."""
    for multiplier in _MULTIPLIERS:
        code = ((code + token) * multiplier) & _31_BITS
        code = code ^ (code >> 15)
    return code
