"""An encoder as the backbone of a detector: its last map, or a feature pyramid."""

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from natlib.encoders import Encoder, StagedEncoder
from natlib.errors import ConfigError

__all__ = ["Backbone", "FeatureMap", "RegionHead", "feature_maps", "region_head"]

# Large enough for the strides of deep encoders, small enough to be quick.
_PROBE = 128
_PYRAMID_WIDTH = 256
# Finer maps are expensive and show little more than edges.
_FINEST_STRIDE = 4


@dataclass(frozen=True)
class FeatureMap:
    """A stage that returns a map.

    Attributes:
        name: of the stage.
        stride: pixels of the image between neighbouring positions of the map, approximately.
        channels: channels of the map.
    """

    name: str
    stride: int
    channels: int


class Backbone(nn.Module):
    """A copy of the stages of an encoder up to its last map.

    A pooling layer at the end of the last stage is left out: the pooling of regions takes its
    place (as in Fast R-CNN, Girshick, ICCV 2015, with AlexNet).

    Args:
        encoder: the encoder, which is copied.
        input_shape: [3, h, w], the inputs that the encoder was built for.
        pyramid: combine the maps of all strides from 4 on (Lin et al., "Feature Pyramid Networks
            for Object Detection", CVPR 2017) instead of returning the last one.
        trained: whether the stages are trained.
        batch_norm: whether their batch norms are trained too.

    Raises:
        ConfigError: the encoder is not a chain of stages, or none of them returns a map.
    """

    def __init__(
        self,
        encoder: Encoder,
        input_shape: tuple[int, ...],
        *,
        pyramid: bool,
        trained: bool,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.stages, maps = _trunk(encoder, input_shape)
        self._fixed = _batch_norms(self.stages) if trained and not batch_norm else []
        if not trained:
            self._fixed = [self.stages]
        for part in self._fixed:
            part.requires_grad_(False)
        # The last map of each stride; without a pyramid, the last map of all.
        last = {each.stride: each for each in maps}
        self.maps = [each for stride, each in last.items() if stride >= _FINEST_STRIDE]
        self.pyramid: FeaturePyramidNetwork | None = None
        self.out_channels = maps[-1].channels
        if not pyramid or not self.maps:
            self.maps = maps[-1:]
        if pyramid:
            self.out_channels = _PYRAMID_WIDTH
            self.pyramid = FeaturePyramidNetwork(
                [each.channels for each in self.maps], _PYRAMID_WIDTH, LastLevelMaxPool()
            )

    @property
    def levels(self) -> int:
        """How many maps ``forward`` returns; a pyramid has one more than the encoder."""
        return len(self.maps) + (self.pyramid is not None)

    def train(self, mode: bool = True) -> "Backbone":
        super().train(mode)
        for part in self._fixed:
            part.eval()
        return self

    def forward(self, inputs: Tensor) -> "OrderedDict[str, Tensor]":
        wanted = {each.name: str(number) for number, each in enumerate(self.maps)}
        found: OrderedDict[str, Tensor] = OrderedDict()
        for name, stage in self.stages.items():
            inputs = stage(inputs)
            if name in wanted:
                found[wanted[name]] = inputs
        if self.pyramid is None:
            return found
        combined: OrderedDict[str, Tensor] = self.pyramid(found)
        return combined


def feature_maps(encoder: Encoder, input_shape: tuple[int, ...]) -> list[FeatureMap]:
    """The maps of an encoder in order; the last one before its pooling."""
    return _trunk(encoder, input_shape)[1]


class RegionHead(nn.Sequential):
    """A copy of the fully connected stages of an encoder, applied to regions.

    Args:
        stages: the stages in order.
        batch_norm: whether the batch norms among them are trained.
    """

    def __init__(self, stages: Sequence[nn.Module], *, batch_norm: bool) -> None:
        super().__init__(*copy.deepcopy(list(stages)))
        self._fixed = [] if batch_norm else _batch_norms(self)
        for part in self._fixed:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> "RegionHead":
        super().train(mode)
        for part in self._fixed:
            part.eval()
        return self


def region_head(
    encoder: Encoder, input_shape: tuple[int, ...], *, batch_norm: bool
) -> tuple[RegionHead, int] | None:
    """The fully connected stages as a :class:`RegionHead`, and the side of the map they read.

    None where an encoder has none, or where they do not read square maps.
    """
    last = feature_maps(encoder, input_shape)[-1]
    assert isinstance(encoder, StagedEncoder)
    names = list(encoder.body)
    rest = [encoder.body[name] for name in names[names.index(last.name) + 1 :]]
    linear = [part for stage in rest for part in stage.modules() if isinstance(part, nn.Linear)]
    if not linear:
        return None
    side = math.isqrt(linear[0].in_features // last.channels)
    if side * side * last.channels != linear[0].in_features:
        return None
    return RegionHead(rest, batch_norm=batch_norm), side


def _batch_norms(module: nn.Module) -> list[nn.Module]:
    norms = nn.modules.batchnorm._BatchNorm
    return [part for part in module.modules() if isinstance(part, norms)]


def _trunk(
    encoder: Encoder, input_shape: tuple[int, ...]
) -> tuple[nn.ModuleDict, list[FeatureMap]]:
    """A copy of the stages up to the last that returns a map, and their maps."""
    if not isinstance(encoder, StagedEncoder):
        raise ConfigError(
            "this encoder is not a chain of stages with feature maps, which a detector needs; "
            "train one of the kinds convnet, resnet or alexnet"
        )
    stages = copy.deepcopy(encoder.body).eval()
    x = next(stages.parameters()).new_zeros(1, *input_shape)
    last = None
    with torch.no_grad():
        for name, stage in stages.items():
            x = stage(x)
            last = name if x.ndim == 4 else last
    if last is None:
        raise ConfigError(
            "no stage of this encoder returns a map [b, channels, height, width], which a detector "
            "needs; train one of the kinds convnet, resnet or alexnet"
        )
    names = list(stages)
    for name in names[names.index(last) + 1 :]:
        del stages[name]
    stage = stages[last]
    if isinstance(stage, nn.Sequential) and isinstance(stage[-1], nn.MaxPool2d | nn.AvgPool2d):
        stages[last] = stage[:-1]
    maps, x = [], next(stages.parameters()).new_zeros(1, input_shape[0], _PROBE, _PROBE)
    with torch.no_grad():
        for name, stage in stages.items():
            x = stage(x)
            maps.append(FeatureMap(name, 2 ** round(math.log2(_PROBE / x.shape[-1])), x.shape[1]))
    return stages, maps
