"""Says what was chosen for a machine, and why."""

from collections.abc import Iterator

import psutil

from natlib.escaping import shown
from natlib.training.config import RunConfig
from natlib.training.fitting.duration import shown_duration
from natlib.training.fitting.form import Form
from natlib.training.fitting.machine import GIB, Machine
from natlib.training.fitting.open_settings import OpenSettings
from natlib.training.fitting.time_limits import FOR_UPDATES, HALF_AN_HOUR

__all__ = ["explanation"]


def explanation(
    left: OpenSettings,
    form: Form,
    config: RunConfig,
    machine: Machine,
    count: int,
    update_seconds: float,
    updates: int,
) -> Iterator[str]:
    """Three lines: what was chosen and for what, what it takes, and which options give more.

    Args:
        left: what was left open.
        form: what was chosen of inputs, encoder and batch.
        config: resolved, with everything chosen.
        machine: what computes.
        count: training samples.
        update_seconds: that an update takes.
        updates: in an epoch.
    """
    training, budget = config.training, left.budget or HALF_AN_HOUR
    inputs = "" if form.candidate is None else f"{form.candidate.text}, "
    encoder = "" if config.encoder is None else f"encoder {shown(config.encoder.kind)}, "
    epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs:,} epochs"
    yield (
        f"For this machine ({machine}) and {count:,} samples: {inputs}{encoder}batches of "
        f"{training.batch_size}, {epochs}."
    )
    whole = update_seconds * updates * training.epochs / FOR_UPDATES
    memory = psutil.Process().memory_info().rss / GIB
    yield (
        f"That takes about {shown_duration(whole)} ({update_seconds:.2g} s for each of "
        f"{updates * training.epochs:,} updates) and {memory:.1f} GiB of memory."
    )
    if whole > 1.5 * budget:
        asked = " as asked for" if left.asks("training", "epochs") else ""
        yield (
            f"That is longer than {shown_duration(budget)}: {epochs}{asked} take so long. For "
            "less: --max-samples N" + (", --epochs N." if asked or training.epochs > 1 else ".")
        )
        return
    more = ["--epochs N", f"--budget {_twice(max(budget, whole))}"]
    if form.larger is not None:
        more.insert(0, form.larger.option)
    yield f"For more, if you have the time: {', '.join(more[:-1])} or {more[-1]}."


def _twice(seconds: float) -> str:
    """About twice as long, as the option takes it."""
    minutes = max(1, round(2 * seconds / 60))
    return f"{minutes}m" if minutes < 60 else f"{round(minutes / 60)}h"
