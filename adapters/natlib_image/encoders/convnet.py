"""A small convolutional network for small images and for machines without an accelerator."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt
from torch import nn

from natlib.encoders import EncoderRecipe, StagedEncoder
from natlib.errors import ConfigError
from natlib_image.encoders.sobel import Sobel

__all__ = ["ConvNet"]


class ConvNet(EncoderRecipe):
    """3 x 3 convolutions, each with batch norm and ReLU, then a global average.

    The first and the last convolution keep the resolution, those between halve it.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["convnet"] = "convnet"
    widths: tuple[PositiveInt, ...] = Field(default=(32, 64, 128, 256, 256), min_length=1)
    """Channels of each convolution; the last is the number of features."""
    sobel: bool = False
    """Begin with a fixed Sobel filter, which replaces colours by gradients, as in the 2017 paper;
    the preset ``nat2017`` turns it on for this encoder too."""

    def build(self, input_shape: tuple[int, ...]) -> StagedEncoder:
        """See :meth:`EncoderRecipe.build`; inputs are [channels, height, width] of any size."""
        if len(input_shape) != 3:
            raise ConfigError(
                f"a convnet needs inputs [channels, height, width], got {list(input_shape)}"
            )
        if self.sobel and input_shape[0] != 3:
            raise ConfigError(
                f"the Sobel filter is for inputs of three channels, got {input_shape[0]}; "
                "leave encoder.sobel out"
            )
        stages: dict[str, nn.Module] = {"sobel": Sobel()} if self.sobel else {}
        channels, last = 2 if self.sobel else input_shape[0], len(self.widths)
        for number, width in enumerate(self.widths, start=1):
            stride = 1 if number in (1, last) else 2
            stages[f"conv{number}"] = nn.Sequential(
                nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            channels = width
        stages["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return StagedEncoder(stages, channels)
