"""Collate clips of different lengths into a batch."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from natlib.data import Batch, Unreadable
from natlib_audio.decoding import Clip
from natlib_audio.resampling import resample

__all__ = ["at_rate", "collate"]


def collate(samples: Sequence[Clip | Unreadable], rate: int) -> Batch:
    """A batch whose ``data`` holds ``wave``, ``length`` and ``rate``.

    ``wave`` is float32[b, t], padded at the end with zeros to the longest clip; ``length`` is
    int64[b], the length without padding; ``rate`` is int64[b], the same for all: the clips' own
    rate if they share one, so that the device resamples them together, else the rate of inputs, to
    which each clip is resampled here.

    Args:
        samples: clips, and samples that could not be decoded.
        rate: the rate of inputs.
    """
    good = [sample for sample in samples if isinstance(sample, Clip)]
    if len({clip.rate for clip in good}) > 1:
        good = [Clip(clip.index, resample(clip.wave, clip.rate, rate), rate) for clip in good]
    waves = [clip.wave for clip in good]
    return Batch(
        index=torch.tensor([clip.index for clip in good], dtype=torch.int64),
        data={
            "wave": pad_sequence(waves, batch_first=True) if waves else torch.zeros(0, 1),
            "length": torch.tensor([len(wave) for wave in waves], dtype=torch.int64),
            "rate": torch.tensor([clip.rate for clip in good], dtype=torch.int64),
        },
        unreadable=[sample for sample in samples if isinstance(sample, Unreadable)],
    )


def at_rate(batch: Batch, rate: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves float32[b, t] and lengths int64[b] of a batch at a rate, on its device."""
    wave, length = batch.data["wave"], batch.data["length"]
    # Reading one number waits for the device, if the batch is on one.
    old = int(batch.data["rate"][0]) if len(wave) else rate
    if old == rate:
        return wave, length
    wave = resample(wave, old, rate)
    scaled = (length.double() * rate / old).long()
    return wave, scaled.clamp(min=1, max=wave.shape[1])
