"""Augmentation of sounds: its settings, and how a view is made."""

from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import Condition, Settings
from natlib.conditions import positive
from natlib_audio import spectra, waves
from natlib_audio.log_mel import Mel, warped_bands

__all__ = ["Augmentation", "masked_spectra", "masked_waves", "one_wave"]

Probability = Annotated[float, Field(ge=0, le=1)]

# Points at which a random frequency response is drawn.
_RESPONSE = 7


class Augmentation(Settings):
    """How views differ. Every clip and every view draws its own random numbers.

    A probability or a strength of 0 turns an operation off. All but ``warp`` work on waveforms
    as well as on log-mel spectrograms.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("noise_snr",), on=("noise",), holds=positive, remedy="set {noise} above 0"),
        Condition(
            ("background_snr",),
            on=("background",),
            holds=positive,
            remedy="set {background} above 0",
        ),
        Condition(
            ("time_mask",), on=("time_masks",), holds=positive, remedy="set {time_masks} above 0"
        ),
        Condition(
            ("frequency_mask",),
            on=("frequency_masks",),
            holds=positive,
            remedy="set {frequency_masks} above 0",
        ),
    )

    crop: tuple[float, float] = (0.6, 1.0)
    """Shortest and longest excerpt of a clip, as a share of the longest that fits into a view."""
    shift: Probability = 1.0
    """How far an excerpt that is shorter than the view may be shifted in it, as a share of the free
    room; the place is random."""
    speed: float = Field(default=0.15, ge=0, le=1)
    """Playback is faster or slower by a random factor of up to 1 + x; the pitch changes with it, as
    with a tape."""
    warp: float = Field(default=0.15, ge=0, le=1)
    """Frequencies are multiplied or divided by a random factor of up to 1 + x at the same speed, as
    if the vocal tract or the instrument had another size (log-mel only)."""
    gain: float = Field(default=6.0, ge=0)
    """Level changes by up to so many decibels (only without ``equal_level``, which undoes it)."""
    equaliser: float = Field(default=6.0, ge=0)
    """Standard deviation, in decibels, of a random frequency response at points an octave apart, as
    if microphone and room were others."""
    noise: Probability = 0.5
    """Probability of adding noise of a random colour between white and brown."""
    noise_snr: tuple[float, float] = (5.0, 30.0)
    """Smallest and largest signal-to-noise ratio, in decibels."""
    background: Probability = 0.3
    """Probability of mixing another clip of the batch into the background."""
    background_snr: tuple[float, float] = (5.0, 20.0)
    """Smallest and largest ratio of the clip to the background, in decibels."""
    time_masks: int = Field(default=1, ge=0)
    """Number of time masks (SpecAugment: Park et al., Interspeech 2019, arXiv 1904.08779)."""
    time_mask: Probability = 0.15
    """Longest time mask, as a share of the excerpt in the view."""
    frequency_masks: int = Field(default=1, ge=0)
    """Number of frequency masks."""
    frequency_mask: Probability = 0.2
    """Widest frequency mask, as a share of the mel scale."""

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
    """One augmented view of each clip, float32[b, n], and its valid part, bool[b, n].

    Args:
        settings: which operations, and how strong.
        wave: float32[b, t], padded with zeros.
        length: int64[b], the valid length of each clip.
        n: length of a view.
    """
    count, device = len(wave), wave.device
    # All random numbers are drawn in every call, so that turning one operation off leaves those of
    # the others unchanged.
    draw = torch.rand(10, count, device=device)
    response = torch.randn(count, _RESPONSE, device=device)
    order = torch.randperm(count, device=device)
    speed = waves.random_factors(settings.speed, draw[0])
    cut = waves.random_cut(length, n, settings.crop, speed, settings.shift, draw[1:4])
    view, valid = waves.cut_out(wave, length, cut, n, settings.speed > 0)
    if settings.background > 0:
        view = waves.mix_background(
            view,
            valid,
            _between(settings.background_snr, draw[4]),
            draw[5] < settings.background,
            order,
        )
    if settings.equaliser > 0 or settings.noise > 0:
        view = waves.filter_and_add_noise(
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
    """Normalised spectra with frequencies warped, and with time and frequency masks.

    Masked values and padding are 0, which is the mean of all clips.

    Args:
        settings: which operations, and how strong.
        mel: the bands.
        rate: sampling rate in hertz.
        spectra_BMT: float32[b, bands, frames].
        valid_BT: bool[b, frames], the frames that are not padding.
    """
    count, bands, frames = spectra_BMT.shape
    device = spectra_BMT.device
    factor = waves.random_factors(settings.warp, torch.rand(count, device=device))
    time_draw = torch.rand(2, settings.time_masks, count, device=device)
    frequency_draw = torch.rand(2, settings.frequency_masks, count, device=device)
    if settings.warp > 0:
        spectra_BMT = spectra.interpolate_bands(spectra_BMT, warped_bands(mel, rate, factor))
    time_BT = spectra.random_spans(_extent(valid_BT), frames, settings.time_mask, time_draw)
    every = torch.tensor([0.0, bands], device=device).expand(count, 2)
    frequency_BM = spectra.random_spans(every, bands, settings.frequency_mask, frequency_draw)
    # A mask that would hide the whole clip is dropped.
    shown_BT = valid_BT & ~time_BT
    shown_BT = torch.where(shown_BT.any(1, keepdim=True), shown_BT, valid_BT)
    return spectra_BMT * (shown_BT[:, None, :] & ~frequency_BM[:, :, None])


def masked_waves(settings: Augmentation, wave: Tensor, valid: Tensor) -> Tensor:
    """Waves float32[b, n] with time and frequency masks."""
    count, n = wave.shape
    time_draw = torch.rand(2, settings.time_masks, count, device=wave.device)
    frequency_draw = torch.rand(2, settings.frequency_masks, count, device=wave.device)
    if settings.frequency_masks and settings.frequency_mask > 0:
        spectrum = torch.fft.rfft(wave)
        bins = spectrum.shape[1]
        every = torch.tensor([0.0, bins], device=wave.device).expand(count, 2)
        hidden = spectra.random_spans(every, bins, settings.frequency_mask, frequency_draw)
        wave = torch.fft.irfft(spectrum * ~hidden, n)
    return wave * valid * ~spectra.random_spans(_extent(valid), n, settings.time_mask, time_draw)


def _extent(valid: Tensor) -> Tensor:
    """Start and length of the valid part: float32[b, 2]."""
    return torch.stack([valid.int().argmax(1).float(), valid.sum(1).float()], 1)


def _between(limits: tuple[float, float], draw: Tensor) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * draw
