"""Random operations on a batch of waves, independent for each clip.

Shapes: b clips, t values of the padded batch, n values of a view.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "LEVEL",
    "Cut",
    "centre_cut",
    "cut_out",
    "equal_level",
    "filter_and_add_noise",
    "mix_background",
    "random_cut",
    "random_factors",
]

LEVEL = 0.1
"""Root mean square of waves at the same level, a usual one of recorded speech."""

# Points of a random frequency response, an octave apart; the highest is half the rate.
_POINTS = 7


class Cut(NamedTuple):
    """The part of each clip that a view shows, each float32[b].

    Attributes:
        start: its first value in the clip.
        length: its length in the view.
        speed: values of the clip for each value of the view.
        offset: its first value in the view; what is before and after it is padding.
    """

    start: Tensor
    length: Tensor
    speed: Tensor
    offset: Tensor


def centre_cut(length: Tensor, n: int) -> Cut:
    """The middle of each clip, at the start of the view."""
    shown = length.clamp(max=n).float()
    start = ((length - n).clamp(min=0) // 2).float()
    return Cut(start, shown, torch.ones_like(shown), torch.zeros_like(shown))


def random_cut(
    length: Tensor, n: int, scale: tuple[float, float], speed: Tensor, shift: float, draw: Tensor
) -> Cut:
    """A random part of each clip at a random place of the view.

    Args:
        length: int64[b].
        n: length of a view.
        scale: shortest and longest part, as a share of the longest that fits into a view.
        speed: float32[b], values of the clip for each value of the view.
        shift: how far the part may be shifted in the view, as a share of the free room.
        draw: float32[3, b], random numbers in [0, 1).
    """
    longest_B = torch.minimum(length.float(), n * speed)
    part_B = longest_B * (scale[0] + (scale[1] - scale[0]) * draw[0])
    start_B = ((length - part_B) * draw[1]).floor()
    shown_B = (part_B / speed).round().clamp(1, n)
    return Cut(start_B, shown_B, speed, ((n - shown_B) * shift * draw[2]).floor())


def cut_out(
    wave: Tensor, length: Tensor, cut: Cut, n: int, interpolate: bool
) -> tuple[Tensor, Tensor]:
    """Views float32[b, n], and their valid part, bool[b, n].

    Args:
        wave: float32[b, t], padded at the end with zeros.
        length: int64[b], the valid length of each.
        cut: the part to show.
        n: length of a view.
        interpolate: whether to interpolate between values, by a cubic through four (Catmull and
            Rom, 1974); without it, every speed has to be 1.
    """
    place_BN = torch.arange(n, device=wave.device) - cut.offset[:, None]
    valid_BN = (place_BN >= 0) & (place_BN < cut.length[:, None])
    last_B1 = (length - 1)[:, None]
    if not interpolate:
        rows_BN = (cut.start[:, None] + place_BN).long().clamp_(min=0).minimum(last_B1)
        return wave.gather(1, rows_BN) * valid_BN, valid_BN
    x = torch.addcmul(cut.start[:, None], place_BN, cut.speed[:, None])
    floor_BN = x.floor()
    x -= floor_BN
    rows_BN = floor_BN.long().clamp_(min=0).minimum(last_B1)
    # Gathering the same indices from shifted waves is cheaper than shifted indices from one wave.
    padded: Tensor = F.pad(wave, (1, 2))
    count = wave.shape[1]
    before, here, after, beyond = (
        padded[:, step : step + count].gather(1, rows_BN) for step in range(4)
    )
    # Horner's rule, in place: a batch of waves is larger than the caches of a CPU.
    twist = (here - after).mul_(3).add_(beyond).sub_(before)
    curve = before.mul(2).add_(here, alpha=-5).add_(after, alpha=4).sub_(beyond)
    slope = after.sub_(before)
    curved = twist.mul_(x).add_(curve).mul_(x).add_(slope).mul_(x)
    return torch.add(here, curved, alpha=0.5).mul_(valid_BN), valid_BN


def level(wave: Tensor, valid: Tensor) -> Tensor:
    """Root mean square float32[b, 1] of the valid part, never 0; the rest has to be 0."""
    count = valid.sum(1, keepdim=True).clamp(min=1)
    norm: Tensor = torch.linalg.vector_norm(wave, dim=1, keepdim=True)
    return (norm / count.sqrt()).clamp(min=1e-6)


def equal_level(wave: Tensor, valid: Tensor) -> Tensor:
    """Waves scaled to a root mean square of :data:`LEVEL`."""
    return wave * (LEVEL / level(wave, valid))


def mix_background(
    wave: Tensor, valid: Tensor, decibels: Tensor, chosen: Tensor, order: Tensor
) -> Tensor:
    """Mix another clip of the batch into the background of the chosen clips.

    Args:
        wave: float32[b, n].
        valid: bool[b, n]; the background is limited to it.
        decibels: float32[b], how much weaker the background is.
        chosen: bool[b], the clips that get a background.
        order: int64[b], the clip that is the background of each.
    """
    own = level(wave, valid)
    factor = own / own[order] * 10 ** (-decibels[:, None] / 20)
    return torch.addcmul(wave, wave[order].mul_(valid), torch.where(chosen[:, None], factor, 0.0))


def filter_and_add_noise(
    wave: Tensor,
    valid: Tensor,
    response: Tensor,
    decibels: Tensor,
    colour: Tensor,
    chosen: Tensor | None,
) -> Tensor:
    """Apply a smooth frequency response, and add noise to the chosen clips.

    Both are done in one Fourier transform.

    Args:
        wave: float32[b, n].
        valid: bool[b, n], the part that is not padding.
        response: float32[b, 7], decibels at points an octave apart, up to half the rate.
        decibels: float32[b], how much weaker the noise is.
        colour: float32[b], how steeply the noise falls: 0 is white, 1 is pink, 2 is brown.
        chosen: bool[b], the clips that get noise; None for no noise at all.
    """
    spectrum = torch.fft.rfft(wave)
    count = spectrum.shape[1]
    share_F = torch.arange(1, count + 1, device=wave.device) / count
    octave_F = (torch.log2(share_F) + _POINTS - 1).clamp(min=0)
    # Hat functions: linear interpolation between points.
    points_P = torch.arange(_POINTS, device=wave.device)
    hats_PF = (1 - (octave_F - points_P[:, None]).abs()).clamp(min=0)
    # Exponentials are several times faster than powers.
    spectrum = spectrum * (response @ hats_PF * (math.log(10) / 20)).exp_()
    if chosen is not None:
        # White noise has a white spectrum, so it need not be generated in time.
        shape_BF = (share_F.log() * (-colour[:, None] / 2)).exp_()
        shape_BF[:, 0] = 0.0  # a constant is inaudible
        noise = torch.randn(*spectrum.shape, 2, device=wave.device) * shape_BF[:, :, None]
        power = _power(spectrum) / valid.sum(1, keepdim=True).clamp(min=1)
        noise_power = 2 * shape_BF.square().sum(1, keepdim=True) / wave.shape[1]
        factor = (power / noise_power).sqrt() * 10 ** (-decibels[:, None] / 20)
        factor = torch.where(chosen[:, None], factor, 0.0)
        spectrum = spectrum + torch.view_as_complex(noise) * factor
    result: Tensor = torch.fft.irfft(spectrum, wave.shape[1])
    return result


def _power(spectrum: Tensor) -> Tensor:
    """Energy of spectra complex[b, f], summed over bins: float32[b, 1]."""
    return (spectrum.real.square() + spectrum.imag.square()).sum(1, keepdim=True)


def random_factors(strength: float, draw: Tensor) -> Tensor:
    """Factors between 1 / (1 + strength) and 1 + strength, uniform on a log scale: float32[b]."""
    return torch.exp(math.log1p(strength) * (2 * draw - 1))
