"""Which augmentations there are, and how one view is made."""

from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Settings
from natlib_audio import spectra, waves
from natlib_audio.log_mel import Mel, warped_bands

__all__ = ["Augmentation", "masked_spectra", "masked_waves", "one_wave"]

Probability = Annotated[float, Field(ge=0, le=1)]

# Responses are drawn at so many points.
_RESPONSE = 7


class Augmentation(Settings):
    """How views differ. Every clip and every view draws its own random numbers.

    A probability or a strength of 0 turns an operation off. All but ``warp`` work on waveforms
    as well as on log-mel spectrograms.
    """

    crop: tuple[float, float] = (0.6, 1.0)
    """Shortest and longest part of a clip in a view, as a share of what a view could show."""
    shift: Probability = 1.0
    """Share of the room that a shorter clip leaves in a view, in which its place is random."""
    speed: float = Field(default=0.15, ge=0, le=1)
    """Played faster or slower by a factor of up to 1 + x, pitch included, like a tape."""
    warp: float = Field(default=0.15, ge=0, le=1)
    """Frequencies multiplied by a factor of up to 1 + x either way, at the same speed: another
    vocal tract, another size of instrument (log-mel only)."""
    gain: float = Field(default=6.0, ge=0)
    """Louder or quieter by up to so many decibels (without effect under ``equal_level``)."""
    equaliser: float = Field(default=6.0, ge=0)
    """Standard deviation, in decibels, of a random response at points an octave apart: another
    microphone, another room."""
    noise: Probability = 0.5
    """Probability of noise, its colour between white and brown."""
    noise_snr: tuple[float, float] = (5.0, 30.0)
    """Smallest and largest ratio of signal to noise, in decibels."""
    background: Probability = 0.3
    """Probability of another clip of the batch in the background."""
    background_snr: tuple[float, float] = (5.0, 20.0)
    """Smallest and largest ratio of the clip to the background, in decibels."""
    time_masks: int = Field(default=1, ge=0)
    """Stretches of time that are blanked out (SpecAugment: Park et al., Interspeech 2019, arXiv
    1904.08779)."""
    time_mask: Probability = 0.15
    """The longest of them, as a share of what is shown of the clip."""
    frequency_masks: int = Field(default=1, ge=0)
    """Stretches of frequency that are blanked out."""
    frequency_mask: Probability = 0.2
    """The widest of them, as a share of the mel scale."""

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        low, high = self.crop
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop is [{low:g}, {high:g}]; expected 0 < low <= high <= 1")
        for name in ("noise_snr", "background_snr"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is [{low:g}, {high:g}]; expected low <= high")
        return self


def one_wave(settings: Augmentation, wave: Tensor, length: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """One augmented view of each clip, float32[b, n], and what of it is no padding, bool[b, n].

    Args:
        settings: which operations, how strong.
        wave: float32[b, t], padded with zeros.
        length: int64[b], the valid length of each clip.
        n: values of a view.
    """
    count, device = len(wave), wave.device
    # Everything is drawn in every call, whatever is turned off: a setting that changes leaves
    # the random numbers of the others as they were.
    draw = torch.rand(10, count, device=device)
    response = torch.randn(count, _RESPONSE, device=device)
    order = torch.randperm(count, device=device)
    speed = waves.octaves(settings.speed, draw[0])
    cut = waves.random_cut(length, n, settings.crop, speed, settings.shift, draw[1:4])
    view, valid = waves.cut_out(wave, length, cut, n, settings.speed > 0)
    if settings.background > 0:
        view = waves.mixed(
            view,
            valid,
            _between(settings.background_snr, draw[4]),
            draw[5] < settings.background,
            order,
        )
    if settings.equaliser > 0 or settings.noise > 0:
        view = waves.filtered(
            view,
            valid,
            settings.equaliser * response,
            _between(settings.noise_snr, draw[6]),
            2 * draw[7],
            draw[8] < settings.noise if settings.noise > 0 else None,
        )
    decibels = settings.gain * (2 * draw[9] - 1)
    return view * valid * 10 ** (decibels[:, None] / 20), valid


def masked_spectra(
    settings: Augmentation, mel: Mel, rate: int, spectra_BMT: Tensor, valid_BT: Tensor
) -> Tensor:
    """Normalised spectra with frequencies moved, and stretches of both axes blanked out.

    What is blanked out, and what is no part of the clip, is 0: the mean of all clips.

    Args:
        settings: which operations, how strong.
        mel: which bands there are.
        rate: values in a second.
        spectra_BMT: float32[b, bands, frames].
        valid_BT: bool[b, frames].
    """
    count, bands, frames = spectra_BMT.shape
    device = spectra_BMT.device
    factor = waves.octaves(settings.warp, torch.rand(count, device=device))
    time_draw = torch.rand(2, settings.time_masks, count, device=device)
    frequency_draw = torch.rand(2, settings.frequency_masks, count, device=device)
    if settings.warp > 0:
        spectra_BMT = spectra.moved_bands(spectra_BMT, warped_bands(mel, rate, factor))
    time_BT = spectra.masked(_extent(valid_BT), frames, settings.time_mask, time_draw)
    every = torch.tensor([0.0, bands], device=device).expand(count, 2)
    frequency_BM = spectra.masked(every, bands, settings.frequency_mask, frequency_draw)
    # A view of nothing would have nothing to say: a mask that hides all of a clip is dropped.
    kept_BT = valid_BT & ~time_BT
    kept_BT = torch.where(kept_BT.any(1, keepdim=True), kept_BT, valid_BT)
    return spectra_BMT * (kept_BT[:, None, :] & ~frequency_BM[:, :, None])


def masked_waves(settings: Augmentation, wave: Tensor, valid: Tensor) -> Tensor:
    """Waves float32[b, n] with stretches of time and of frequency blanked out."""
    count, n = wave.shape
    time_draw = torch.rand(2, settings.time_masks, count, device=wave.device)
    frequency_draw = torch.rand(2, settings.frequency_masks, count, device=wave.device)
    if settings.frequency_masks and settings.frequency_mask > 0:
        spectrum = torch.fft.rfft(wave)
        bins = spectrum.shape[1]
        every = torch.tensor([0.0, bins], device=wave.device).expand(count, 2)
        hidden = spectra.masked(every, bins, settings.frequency_mask, frequency_draw)
        wave = torch.fft.irfft(spectrum * ~hidden, n)
    return wave * valid * ~spectra.masked(_extent(valid), n, settings.time_mask, time_draw)


def _extent(valid: Tensor) -> Tensor:
    """Where what is valid begins, and how long it is: float32[b, 2]."""
    return torch.stack([valid.int().argmax(1).float(), valid.sum(1).float()], 1)


def _between(limits: tuple[float, float], draw: Tensor) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * draw
