"""Durations as people write them."""

import re

from natlib.errors import ConfigError
from natlib.escaping import shown

__all__ = ["parse_duration", "shown_duration"]

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(min|[smhd])")


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``90s``, ``20m``, ``1h30m``, ``1.5 h``.

    Raises:
        ConfigError: it cannot be read, or is zero.
    """
    seconds, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if text[end:].strip() or seconds <= 0:
        raise ConfigError(
            f"cannot read {shown(text)} as a duration; give a number and a unit, as in 90s, 20m, "
            "2h or 1h30m"
        )
    return seconds


def shown_duration(seconds: float) -> str:
    """A duration to read: ``40 s``, ``12 min``, ``2 h 5 min``, ``3 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours / 24:,.0f} days"
