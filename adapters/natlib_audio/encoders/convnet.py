"""A small convolutional network for log-mel spectrograms, for machines without an accelerator."""

from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from natlib.encoders import Encoder, EncoderRecipe
from natlib_audio.encoders.pooling import (
    check_spectrogram,
    downsample_mask,
    mean_and_peak,
    nonpadding,
)

__all__ = ["AudioConvNet"]


class AudioConvNet(EncoderRecipe):
    """Convolutions over time and frequency, one over time, then mean and maximum over time.

    Each of the first convolutions halves the resolution in both directions. The last one sees all
    bands of a few frames at once, so that its features depend on absolute frequency. Mean and
    maximum leave padding out.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["audio_convnet"] = "audio_convnet"
    widths: tuple[PositiveInt, ...] = Field(default=(32, 64, 128), min_length=1)
    """Channels of each convolution over time and frequency."""
    features: PositiveInt = 256
    """Channels of the convolution over time; there are twice as many features."""
    frames: PositiveInt = 5
    """Frames that it sees at once, after the resolution was halved."""

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [channels, bands, frames] of any size."""
        check_spectrogram(input_shape, self.kind)
        return _Convolutions(self, input_shape)


class _Convolutions(Encoder):
    def __init__(self, recipe: AudioConvNet, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, bands, _ = input_shape
        self.dim = 2 * recipe.features
        self.body = nn.ModuleDict()
        for number, width in enumerate(recipe.widths, start=1):
            self.body[f"conv{number}"] = nn.Sequential(
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            channels, bands = width, (bands + 1) // 2
        # Channels last in memory: a third faster on a CPU; activations follow the weights' layout.
        cast("Any", self.body).to(memory_format=torch.channels_last)
        self.last = nn.Sequential(
            nn.Conv1d(
                channels * bands,
                recipe.features,
                recipe.frames,
                padding=recipe.frames // 2,
                bias=False,
            ),
            nn.BatchNorm1d(recipe.features),
            nn.ReLU(inplace=True),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.stages(inputs)["features"]

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        outputs, maps = {}, inputs
        for name, stage in self.body.items():
            outputs[name] = maps = stage(maps)
        outputs["frames"] = maps = self.last(maps.flatten(1, 2))
        outputs["features"] = mean_and_peak(
            maps, downsample_mask(nonpadding(inputs), maps.shape[2])
        )
        return outputs
