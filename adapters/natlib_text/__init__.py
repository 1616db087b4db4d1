"""natlib's adapter for text: sources, tokenizers, augmentation and encoders."""

from natlib.runtime.packages import require
from natlib_text.augmentation import Augmentation
from natlib_text.modality import Text

__all__ = ["Augmentation", "Text"]

# Imported where they are used.
require("sklearn", "tokenizers")
