"""A multilayer perceptron: the encoder that fits any vector."""

import math
from typing import Literal

from pydantic import Field, PositiveInt
from torch import nn

from natlib.component import register
from natlib.encoders.base import EncoderRecipe
from natlib.encoders.staged import StagedEncoder

__all__ = ["MlpEncoder"]


@register
class MlpEncoder(EncoderRecipe):
    """Flattens its input, then (linear, batch norm, ReLU) for each width."""

    kind: Literal["mlp"] = "mlp"
    widths: tuple[PositiveInt, ...] = Field(default=(256, 256), min_length=1)
    """Width of each layer; the last is the number of features."""

    def build(self, input_shape: tuple[int, ...]) -> StagedEncoder:
        stages: dict[str, nn.Module] = {"flatten": nn.Flatten()}
        width = math.prod(input_shape)
        for number, out in enumerate(self.widths, start=1):
            stages[f"layer{number}"] = nn.Sequential(
                nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()
            )
            width = out
        return StagedEncoder(stages, width)
