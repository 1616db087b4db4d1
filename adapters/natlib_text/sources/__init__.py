"""Where texts come from."""

from natlib_text.sources.base import Source, Texts
from natlib_text.sources.find import find_source, is_path
from natlib_text.sources.table import TextTable

__all__ = ["Source", "TextTable", "Texts", "find_source", "is_path"]
