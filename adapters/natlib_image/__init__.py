"""natlib's adapter for images: sources, decoding, augmentation and encoders."""

from natlib_image.augmentation import Augmentation
from natlib_image.modality import Image

__all__ = ["Augmentation", "Image"]
