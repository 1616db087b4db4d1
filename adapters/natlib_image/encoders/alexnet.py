"""The network of the 2017 paper: AlexNet on image gradients."""

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from natlib.encoders import EncoderRecipe, StagedEncoder
from natlib.errors import ConfigError
from natlib_image.encoders.sobel import Sobel

__all__ = ["AlexNet"]

# Channels of the five convolutions, and width of the two fully connected layers.
_CHANNELS = (96, 256, 384, 384, 256)
_HIDDEN = 4096
# The smallest side that leaves the last pooling something to pool.
_SMALLEST = 63


class AlexNet(EncoderRecipe):
    """AlexNet (Krizhevsky et al., NIPS 2012) as Bojanowski & Joulin (2017) train it.

    Convolutions of 96-256-384-384-256 channels, then two layers of 4096, each with batch norm
    and ReLU. The linear layer to the targets is the head: use ``head: linear``.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["alexnet"] = "alexnet"
    sobel: bool = True
    """Begin with a fixed Sobel filter instead of the colours."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout after the first fully connected layer."""

    def build(self, input_shape: tuple[int, ...]) -> StagedEncoder:
        """See :meth:`EncoderRecipe.build`; made for [3, 224, 224].

        Raises:
            ConfigError: images are too small, or do not have three channels.
        """
        if len(input_shape) != 3 or input_shape[0] != 3 or min(input_shape[1:]) < _SMALLEST:
            raise ConfigError(
                f"alexnet needs inputs [3, height, width] of at least {_SMALLEST} x {_SMALLEST} "
                f"pixels, got {list(input_shape)}; set data.size, or use the encoder 'convnet'"
            )
        c1, c2, c3, c4, c5 = _CHANNELS
        stages: dict[str, nn.Module] = {"sobel": Sobel()} if self.sobel else {}
        first = 2 if self.sobel else 3
        stages["conv1"] = _convolution(first, c1, 11, stride=4, padding=2, pool=True)
        stages["conv2"] = _convolution(c1, c2, 5, padding=2, pool=True)
        stages["conv3"] = _convolution(c2, c3, 3, padding=1)
        stages["conv4"] = _convolution(c3, c4, 3, padding=1)
        stages["conv5"] = _convolution(c4, c5, 3, padding=1, pool=True)
        height, width = (_after_convolutions(side) for side in input_shape[1:])
        stages["fc6"] = nn.Sequential(
            nn.Flatten(),
            nn.Linear(c5 * height * width, _HIDDEN, bias=False),
            nn.BatchNorm1d(_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(self.dropout),
        )
        stages["fc7"] = nn.Sequential(
            nn.Linear(_HIDDEN, _HIDDEN, bias=False),
            nn.BatchNorm1d(_HIDDEN),
            nn.ReLU(inplace=True),
        )
        return StagedEncoder(stages, _HIDDEN)


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int, pool: bool = False
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
    if pool:
        layers.append(nn.MaxPool2d(3, 2))
    return nn.Sequential(*layers)


def _after_convolutions(side: int) -> int:
    """Side of conv5's output: a convolution of 11/4/2 and three poolings of 3/2."""
    side = (side + 2 * 2 - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side
