"""Timbres of synthesised notes.

Additive synthesis: partials with their own amplitudes and envelopes, and breath noise. The names
say what a timbre resembles; none is modelled on a recording.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TIMBRES", "Timbre", "note"]

Floats = npt.NDArray[np.float64]

# Partials of a marimba's bar and of a bell, as multiples of the lowest.
_BAR = (1.0, 3.93, 9.54)
_BELL = (0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.0, 3.76, 4.07)


@dataclass(frozen=True)
class Timbre:
    """How an instrument sounds.

    Attributes:
        ratios: frequencies of the partials, as multiples of the pitch.
        slope: amplitudes fall with the number of a partial to this power.
        even: factor on partials of even number.
        attack: seconds until a note has its full level.
        decay: time constant in seconds after that; None for a note that is held.
        damping: how much faster higher partials decay: the rate grows by this for each.
        brightening: how much later higher partials come in, in attacks for each.
        vibrato: depth of vibrato in cents.
        breath: level of noise relative to the partials.
    """

    ratios: tuple[float, ...] = tuple(float(n) for n in range(1, 25))
    slope: float = 1.0
    even: float = 1.0
    attack: float = 0.03
    decay: float | None = None
    damping: float = 0.0
    brightening: float = 0.0
    vibrato: float = 0.0
    breath: float = 0.0


TIMBRES: dict[str, Timbre] = {
    "bell": Timbre(ratios=_BELL, slope=0.4, attack=0.003, decay=0.5, damping=0.25),
    "brass": Timbre(slope=0.7, attack=0.06, brightening=0.35),
    "flute": Timbre(slope=2.2, attack=0.08, vibrato=12.0, breath=0.08),
    "marimba": Timbre(ratios=_BAR, slope=1.2, attack=0.003, decay=0.15, damping=1.0),
    "organ": Timbre(ratios=(0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0), slope=0.5, attack=0.01),
    "plucked": Timbre(slope=1.0, attack=0.003, decay=0.35, damping=0.35),
    "reed": Timbre(slope=0.9, even=0.08, attack=0.03, breath=0.01),
    "string": Timbre(slope=1.1, attack=0.12, vibrato=25.0),
}
"""All timbres by name."""


def note(
    timbre: Timbre, pitch: float, seconds: float, rate: int, random: np.random.Generator
) -> Floats:
    """A note float64[t]; amplitudes, phases and vibrato vary a little from note to note.

    Args:
        timbre: which instrument.
        pitch: in hertz.
        seconds: how long.
        rate: values in a second.
        random: where the variation comes from.
    """
    time_T = np.arange(round(seconds * rate)) / rate
    number_P = np.arange(1, len(timbre.ratios) + 1)
    amplitude_P = number_P**-timbre.slope * random.lognormal(0.0, 0.25, len(number_P))
    if timbre.even != 1.0:
        amplitude_P[1::2] *= timbre.even
    cents = timbre.vibrato * random.uniform(0.6, 1.4)
    beat = random.uniform(4.5, 6.5)
    # The phase of a frequency that swings by a sine is the integral of it.
    turn = 2 * np.pi * beat
    swing_T = cents / 1200 * np.log(2) * (1 - np.cos(turn * time_T)) / turn
    turns_T = pitch * (time_T + swing_T)
    ratios = np.array(timbre.ratios)
    heard = ratios * pitch < 0.45 * rate
    envelope_PT = _envelopes(timbre, number_P[heard], time_T)
    phase_P = random.uniform(0, 2 * np.pi, int(heard.sum()))
    waves_PT = np.sin(2 * np.pi * ratios[heard, None] * turns_T + phase_P[:, None])
    wave: Floats = (amplitude_P[heard, None] * envelope_PT * waves_PT).sum(0)
    wave /= np.sqrt(np.square(amplitude_P[heard]).sum())
    breath_T = timbre.breath * random.standard_normal(len(time_T))
    return (wave + breath_T * np.minimum(1, time_T / timbre.attack)) * _release(time_T, seconds)


def _envelopes(timbre: Timbre, number_P: npt.NDArray[Any], time_T: Floats) -> Floats:
    late_P = timbre.brightening * (number_P - 1) * timbre.attack
    rise_PT = np.clip((time_T - late_P[:, None]) / timbre.attack, 0, 1)
    if timbre.decay is None:
        return np.asarray(rise_PT)
    rate_P = (1 + timbre.damping * (number_P - 1)) / timbre.decay
    return np.asarray(rise_PT * np.exp(-rate_P[:, None] * time_T))


def _release(time_T: Floats, seconds: float) -> Floats:
    """Fades the end out, so that it does not click."""
    return np.clip((seconds - time_T) / 0.03, 0, 1)
