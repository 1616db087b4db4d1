"""Ways to train on large images without an accelerator."""

from typing import Any

from natlib.data import Candidate

__all__ = ["candidates"]

# Where views are large, a layer more that halves the resolution: the last one then sees as much of
# the image.
_WIDTHS = (32, 64, 128, 256, 256)
_DEEPER = (32, 64, 128, 256, 256, 256)
_DEEPER_FROM = 96
_CONVNET_SIZES = (32, 48, 64, 96, 128)
_RESNET_SIZES = (128, 160, 224)


def candidates(side: int, size: int | None = None) -> list[Candidate]:
    """From cheap to costly: convnets for small views, then a ResNet-18 for larger ones.

    Args:
        side: typical short side of the images; none is enlarged.
        size: side of the views, if it is settled.
    """
    if size is not None:
        return [_convnet(size), _resnet(size)]
    found = [*map(_convnet, _CONVNET_SIZES), *map(_resnet, _RESNET_SIZES)]
    return [each for each in found if each.settings["data"]["size"] <= side]


def _convnet(size: int) -> Candidate:
    widths = _DEEPER if size >= _DEEPER_FROM else _WIDTHS
    return _candidate(size, {"kind": "convnet", "widths": list(widths)}, f"--size {size}")


def _resnet(size: int) -> Candidate:
    encoder = {"kind": "resnet", "depth": 18, "small_stem": size <= 64}
    return _candidate(size, encoder, f"--size {size} --encoder resnet")


def _candidate(size: int, encoder: dict[str, Any], option: str) -> Candidate:
    settings = {"data": {"size": size}, "encoder": encoder}
    return Candidate(settings, f"views of {size} pixels", option)
