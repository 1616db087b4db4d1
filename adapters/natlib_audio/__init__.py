"""natlib's adapter for sound: sources, decoding, log-mel spectrograms, augmentation, encoders."""

from natlib.runtime.packages import require
from natlib_audio.augmentation import Augmentation
from natlib_audio.log_mel import Mel
from natlib_audio.modality import Audio

__all__ = ["Audio", "Augmentation", "Mel"]

# Imported where they are used.
require("soundfile", "torchaudio", "torchvision")
