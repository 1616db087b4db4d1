"""Sources of texts."""

from natlib_text.sources.find import NAMES, find_source

__all__ = ["NAMES", "find_source"]
