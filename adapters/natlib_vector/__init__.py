"""natlib's adapter for vectors and tables of numbers and categories."""

from natlib_vector.augmentation import Augmentation
from natlib_vector.columns import Column, Columns
from natlib_vector.modality import Vector

__all__ = ["Augmentation", "Column", "Columns", "Vector"]
