"""Crops of a run's images for the evaluation on ImageNet."""

from natlib.errors import ConfigError, DataError
from natlib.protocols import Subject
from natlib_image.augmentation import Augmentation
from natlib_image.modality import Image
from natlib_image_protocols.image_subject import image_modality

__all__ = ["crop_modality"]

# A crop at a random place, not rescaled, and a random flip; nothing else.
_VIEWS = Augmentation(crop="plain", flip=0.5, jitter=0.0, grey=0.0, blur=0.0, solarise=0.0)


def crop_modality(subject: Subject, resize: int | None, enlarge: bool) -> Image:
    """The run's modality with random crops and flips for views.

    Crops are as large as the run's views.

    Args:
        subject: the run.
        resize: short side of the images that crops are cut from; None for the run's own, or 256 /
            224 of a crop if that is no larger than a crop.
        enlarge: whether images may be smaller than a crop.

    Raises:
        DataError: the run does not read images, or these are smaller than a crop.
        ConfigError: ``resize`` is smaller than a crop.
    """
    modality = image_modality(subject, "the protocol 'imagenet'")
    size, own = modality.size, modality.resize
    assert size is not None
    assert own is not None
    larger = round(size * 256 / 224)
    if resize is not None and resize < size:
        raise ConfigError(
            f"resize {resize} is smaller than the crops of {size} pixels, which are cut from the "
            f"resized images; set resize={larger}, or leave it out"
        )
    typical = modality.typical_side()
    if typical < size and not enlarge:
        raise DataError(
            f"the images are smaller than the crops: {typical} pixels on their short side (median "
            f"of the first ones), and the run was trained on {size} x {size}; give larger "
            "images, or have these enlarged, --set enlarge=true"
        )
    short_side = resize or (own if own > size else larger)
    return modality.model_copy(update={"resize": short_side, "augment": _VIEWS})
