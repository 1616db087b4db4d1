"""Sources of images."""

from natlib_image.sources.find import NAMES, find_source

__all__ = ["NAMES", "find_source"]
