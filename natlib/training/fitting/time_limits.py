"""How long a run may take, and how much it needs."""

__all__ = ["FOR_UPDATES", "HALF_AN_HOUR", "SHOWN"]

HALF_AN_HOUR = 1800.0
"""Seconds that a run may take where nobody says otherwise."""
FOR_UPDATES = 0.85
"""Share of the time that is for updates; kNN while training, checkpoints and the evaluation in
the end take the rest."""
SHOWN = 250_000
"""Samples to show an encoder, over all epochs, before larger inputs are worth their time."""
