"""natlib's adapter for sound: sources, decoding, log-mel, augmentation and encoders."""

from natlib_audio.augmentation import Augmentation
from natlib_audio.log_mel import Mel
from natlib_audio.modality import Audio

__all__ = ["Audio", "Augmentation", "Mel"]
