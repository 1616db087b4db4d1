"""Sources of sounds."""

from natlib_audio.sources.find import NAMES, find_source

__all__ = ["NAMES", "find_source"]
