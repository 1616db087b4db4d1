"""Sources of images."""

from natlib_image.sources.find import NAMES, find_source
from natlib_image.sources.torchvision_sets import DOWNLOADABLE, SETS

__all__ = ["DOWNLOADABLE", "NAMES", "SETS", "find_source"]
