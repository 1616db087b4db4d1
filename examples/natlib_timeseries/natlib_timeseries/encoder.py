"""A small convolutional network for series."""

from typing import Literal

from torch import nn

from natlib.encoders import EncoderRecipe, StagedEncoder
from natlib.errors import ConfigError


class Conv1d(EncoderRecipe):
    """Convolutions over time, each with batch norm and ReLU, then the average over time."""

    kind: Literal["conv1d"] = "conv1d"
    widths: tuple[int, ...] = (64, 128, 256)
    """Channels of each convolution; the last is the number of features."""
    kernel: int = 7
    """Points that a convolution looks at."""

    def build(self, input_shape: tuple[int, ...]) -> StagedEncoder:
        if len(input_shape) != 2:
            raise ConfigError(f"conv1d needs inputs [channels, time], got {list(input_shape)}")
        stages: dict[str, nn.Module] = {}
        channels = input_shape[0]
        for number, width in enumerate(self.widths):
            stride = 2 if number else 1
            conv = nn.Conv1d(channels, width, self.kernel, stride, self.kernel // 2, bias=False)
            stages[f"conv{number + 1}"] = nn.Sequential(conv, nn.BatchNorm1d(width), nn.ReLU())
            channels = width
        stages["pool"] = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
        return StagedEncoder(stages, channels)
