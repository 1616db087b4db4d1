"""Build torchvision's Faster R-CNN on an encoder of natlib."""

import math

from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from natlib.component import Settings
from natlib.encoders import Encoder
from natlib_image.modality import Image
from natlib_image_protocols.voc.backbone import Backbone, region_head

__all__ = ["DetectorShape", "build_detector"]

# Sides of anchors as shares of the image's short side: 32 to 512 at 800 pixels, torchvision's.
_ANCHORS = tuple(0.04 * 2**octave for octave in range(5))
_RATIOS = (0.5, 1.0, 2.0)
_POOLED = 7


class DetectorShape(Settings):
    """How a detector is built around its backbone."""

    short_side: int
    """Pixels to which the short side of an image is scaled."""
    long_side: int
    """Largest long side of an image in pixels."""
    pyramid: bool
    """Whether the backbone is a feature pyramid."""
    batch_norm: bool
    """Whether the batch norms of the encoder are trained."""
    backbone: bool
    """Whether the encoder is trained at all."""
    regions: int
    """Regions of an image that the box head is trained on."""
    proposals: int
    """Regions of an image that it classifies when it detects."""
    head_width: int
    """Width of the box head, where the encoder has none."""


def build_detector(
    encoder: Encoder, modality: Image, classes: int, shape: DetectorShape
) -> FasterRCNN:
    """Build a Faster R-CNN (Ren et al., NIPS 2015) with fresh weights around an encoder.

    The fully connected layers of an encoder that has them (AlexNet) become the box head, as in
    Fast R-CNN; otherwise the box head is two fresh layers.

    Args:
        encoder: initialises the backbone; it is copied.
        modality: gives mean and standard deviation of pixels, and the shape of inputs.
        classes: c, without the background.
        shape: all other settings.

    Raises:
        ConfigError: the encoder has no maps.
    """
    backbone = Backbone(
        encoder,
        modality.input_shape,
        pyramid=shape.pyramid,
        trained=shape.backbone,
        batch_norm=shape.batch_norm,
    )
    own = None
    if not shape.pyramid:
        own = region_head(encoder, modality.input_shape, batch_norm=shape.batch_norm)
    if own is None:
        side, width = _POOLED, shape.head_width
        head: nn.Module = TwoMLPHead(backbone.out_channels * side**2, width)
    else:
        (head, side), width = own, encoder.dim
    sizes = _anchor_sizes(backbone.levels, shape.short_side)
    return FasterRCNN(
        backbone,
        min_size=shape.short_side,
        max_size=shape.long_side,
        image_mean=list(modality.mean),
        image_std=list(modality.std),
        rpn_anchor_generator=AnchorGenerator(sizes, (_RATIOS,) * len(sizes)),
        rpn_post_nms_top_n_test=shape.proposals,
        box_roi_pool=MultiScaleRoIAlign(
            [str(number) for number in range(len(backbone.maps))], side, sampling_ratio=2
        ),
        box_head=head,
        box_predictor=FastRCNNPredictor(width, classes + 1),
        box_batch_size_per_image=shape.regions,
    )


def _anchor_sizes(levels: int, short_side: int) -> tuple[tuple[float, ...], ...]:
    """Sides of the anchors of each map, from small to large, the same number for each map.

    torchvision needs the same number; where the octaves do not divide evenly, two maps share some.
    """
    each = math.ceil(len(_ANCHORS) / levels)
    starts = [round(level * (len(_ANCHORS) - each) / max(1, levels - 1)) for level in range(levels)]
    return tuple(
        tuple(share * short_side for share in _ANCHORS[start : start + each]) for start in starts
    )
