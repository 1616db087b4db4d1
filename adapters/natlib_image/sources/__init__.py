"""Where images come from."""

from natlib_image.sources.base import Images, Source
from natlib_image.sources.find import find_source, is_path

__all__ = ["Images", "Source", "find_source", "is_path"]
