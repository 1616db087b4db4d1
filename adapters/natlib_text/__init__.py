"""natlib's adapter for text: sources, tokenizers, augmentation and encoders."""

from natlib_text.augmentation import Augmentation
from natlib_text.modality import Text

__all__ = ["Augmentation", "Text"]
