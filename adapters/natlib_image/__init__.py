"""natlib's adapter for images: sources, decoding, augmentation and encoders."""

from natlib.runtime.packages import require
from natlib_image.augmentation import Augmentation
from natlib_image.modality import Image

__all__ = ["Augmentation", "Image"]

# Imported where they are used.
require("kornia", "torchvision")
