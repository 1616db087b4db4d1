"""Sets in the format of Pascal VOC: reading them, classification and detection."""

from natlib_image.voc.annotation import VocAnnotation, VocObject, read_annotation
from natlib_image.voc.average_precision import average_precisions
from natlib_image.voc.folder import VocFolder, is_voc_folder
from natlib_image.voc.labelled import VocSplits, find_voc_splits

__all__ = [
    "VocAnnotation",
    "VocFolder",
    "VocObject",
    "VocSplits",
    "average_precisions",
    "find_voc_splits",
    "is_voc_folder",
    "read_annotation",
]
