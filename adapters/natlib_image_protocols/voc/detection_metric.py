"""Mean average precision of detections at an overlap of one half."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import box_iou

from natlib_image_protocols.voc.scaled import ScaledImage

__all__ = ["detection_precision", "without_difficult"]

Found = dict[str, Tensor]
_OVERLAP = 0.5
# The recalls of VOC 2007; torchmetrics uses COCO's 101 by default.
_ELEVEN = [step / 10 for step in range(11)]


def detection_precision(
    found: Sequence[Found], truth: Sequence[ScaledImage], classes: Sequence[str]
) -> dict[str, Any]:
    """mAP@0.5 in percent, by torchmetrics.

    Args:
        found: for each image ``boxes`` float[d, 4], ``scores`` float[d] and ``labels`` int64[d].
        truth: the images with their objects.
        classes: names of the classes.

    Returns:
        ``map_50``, with precision at 101 recalls as in COCO; ``map_50_11``, at 11 recalls as in VOC
        2007; ``average_precision``, by the rule of ``map_50`` for each class that has an object.
    """
    detections = [without_difficult(each, image) for each, image in zip(found, truth, strict=True)]
    objects = [
        {"boxes": image.boxes[~image.difficult], "labels": image.labels[~image.difficult]}
        for image in truth
    ]
    results = {}
    for name, recalls in (("map_50", None), ("map_50_11", _ELEVEN)):
        metric = MeanAveragePrecision(
            iou_thresholds=[_OVERLAP], rec_thresholds=recalls, class_metrics=True
        )
        metric.update(detections, objects)
        results[name] = metric.compute()
    return {name: _percent(result["map"]) for name, result in results.items()} | {
        "average_precision": {
            classes[int(label)]: _percent(value)
            for label, value in zip(
                results["map_50"]["classes"].view(-1),
                results["map_50"]["map_per_class"].view(-1),
                strict=True,
            )
            if value >= 0  # -1: the class was detected, but no image has it
        }
    }


def without_difficult(found: Found, image: ScaledImage) -> Found:
    """The detections of an image that are counted.

    A detection is ignored if, among the objects of its class, it overlaps most with a difficult
    one, and by half or more.
    """
    if not image.difficult.any() or not len(found["boxes"]):
        return found
    overlap_DO = box_iou(found["boxes"], image.boxes)
    overlap_DO = overlap_DO.where(found["labels"][:, None] == image.labels[None], -1.0)
    best = overlap_DO.max(1)
    counts = ~((best.values >= _OVERLAP) & image.difficult[best.indices])
    return {name: value[counts] for name, value in found.items()}


def _percent(value: Tensor) -> float:
    """A result of torchmetrics in percent; its -1, no objects at all, is 0."""
    return 100.0 * max(0.0, float(value))
