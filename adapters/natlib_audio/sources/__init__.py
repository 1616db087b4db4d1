"""Where sounds come from."""

from natlib_audio.sources.base import Clips, Source
from natlib_audio.sources.find import find_source, is_path

__all__ = ["Clips", "Source", "find_source", "is_path"]
