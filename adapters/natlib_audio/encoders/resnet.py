"""Residual networks over log-mel spectrograms."""

from typing import ClassVar, Literal

from torch import Tensor, nn

from natlib.encoders import Encoder, EncoderRecipe
from natlib_audio.encoders.pooling import (
    check_spectrogram,
    downsample_mask,
    mean_over_time,
    nonpadding,
)

__all__ = ["AudioResNet"]

_DIM = {18: 512, 34: 512, 50: 2048}


class AudioResNet(EncoderRecipe):
    """torchvision's residual network (He et al., CVPR 2016) on spectrograms.

    Its first convolution reads one channel; features are means over bands and over the frames that
    are not padding.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["audio_resnet"] = "audio_resnet"
    depth: Literal[18, 34, 50] = 18
    """Number of layers."""

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [channels, bands, frames] of any size."""
        check_spectrogram(input_shape, self.kind)
        return _Residual(self.depth, input_shape[0])


class _Residual(Encoder):
    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        self.dim = _DIM[depth]
        import torchvision.models

        net = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        first = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        self.body = nn.ModuleDict({"stem": nn.Sequential(first, net.bn1, net.relu, net.maxpool)})
        for number in range(1, 5):
            self.body[f"layer{number}"] = getattr(net, f"layer{number}")

    def forward(self, inputs: Tensor) -> Tensor:
        return self.stages(inputs)["features"]

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        outputs, maps = {}, inputs
        for name, stage in self.body.items():
            outputs[name] = maps = stage(maps)
        valid = downsample_mask(nonpadding(inputs), maps.shape[3])
        outputs["features"] = mean_over_time(maps.mean(2), valid)
        return outputs
