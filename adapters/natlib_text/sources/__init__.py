"""Where texts come from."""

from natlib_text.sources.base import Source, Texts
from natlib_text.sources.find import find_source, is_path

__all__ = ["Source", "Texts", "find_source", "is_path"]
