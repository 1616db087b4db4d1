"""Files in a folder as samples: their index, names, splits and classes."""

from natlib.data.files.array_cache import read_arrays, write_arrays
from natlib.data.files.folder import Folder, FolderFiles
from natlib.data.files.index import (
    FolderIndex,
    first_files,
    holds_files,
    scan,
    visible_folders,
)
from natlib.data.files.index_cache import cached_scan
from natlib.data.files.left_out import left_out_notes
from natlib.data.files.names import ChosenNames, NameLookup, NameTable, NumberedNames, canonical

__all__ = [
    "ChosenNames",
    "Folder",
    "FolderFiles",
    "FolderIndex",
    "NameLookup",
    "NameTable",
    "NumberedNames",
    "cached_scan",
    "canonical",
    "first_files",
    "holds_files",
    "left_out_notes",
    "read_arrays",
    "scan",
    "visible_folders",
    "write_arrays",
]
