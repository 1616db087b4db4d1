"""Residual networks."""

from typing import ClassVar, Literal

from torch import nn

from natlib.encoders import EncoderRecipe, StagedEncoder
from natlib.errors import ConfigError

__all__ = ["ResNet"]

_DIM = {18: 512, 34: 512, 50: 2048}


class ResNet(EncoderRecipe):
    """torchvision's residual network (He et al., CVPR 2016) without its classifier."""

    input_axes: ClassVar[int | None] = 3

    kind: Literal["resnet"] = "resnet"
    depth: Literal[18, 34, 50] = 18
    """Number of layers."""
    small_stem: bool = False
    """Begin with a 3 x 3 convolution of stride 1 without pooling, for images of up to 64 pixels;
    the usual 7 x 7 stem reduces the resolution to a quarter."""

    def build(self, input_shape: tuple[int, ...]) -> StagedEncoder:
        """See :meth:`EncoderRecipe.build`; inputs are [channels, height, width] of any size."""
        if len(input_shape) != 3:
            raise ConfigError(
                f"a resnet needs inputs [channels, height, width], got {list(input_shape)}"
            )
        import torchvision.models

        net = getattr(torchvision.models, f"resnet{self.depth}")(weights=None)
        if self.small_stem:
            first = nn.Conv2d(input_shape[0], 64, 3, padding=1, bias=False)
        else:
            first = nn.Conv2d(input_shape[0], 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        stem: list[nn.Module] = [first, net.bn1, net.relu]
        if not self.small_stem:
            stem.append(net.maxpool)
        stages: dict[str, nn.Module] = {"stem": nn.Sequential(*stem)}
        for number in range(1, 5):
            stages[f"layer{number}"] = getattr(net, f"layer{number}")
        stages["pool"] = nn.Sequential(net.avgpool, nn.Flatten())
        return StagedEncoder(stages, _DIM[self.depth])
