"""Whether a configuration that is asked for is that of the run to resume."""

from typing import Any

from natlib.errors import ConfigError
from natlib.training.config import RunConfig

__all__ = ["same_run"]

# What may change when a run resumes: where and how it computes, not what.
_MAY_CHANGE = (
    "objective.overlap",
    "training.device",
    "training.workers",
    "training.compile",
    "training.checkpoint_every_steps",
    "training.keep_checkpoints",
    "training.log_every_steps",
    "evaluation.",
)


def same_run(saved: RunConfig, asked: RunConfig) -> RunConfig:
    """The configuration that is asked for, if it differs only in how and where to compute.

    Raises:
        ConfigError: it is another run; the message names the settings that differ.
    """
    # Paths are made absolute and so on, as they were when the run began.
    now_data = saved.data
    if asked.data.model_dump() != saved.data.model_dump():
        # Nothing is fitted anew: a run keeps what it began with.
        now_data = asked.data.resolved().with_fitted(saved.data.fitted())
    encoder = now_data.complete(asked.encoder) if asked.encoder else saved.encoder
    asked = asked.model_copy(update={"data": now_data, "encoder": encoder})
    asked = _with_classes(asked, saved)
    before, now = saved.model_dump(mode="json"), asked.model_dump(mode="json")
    changed = [line for line in _differences(before, now) if not line.startswith(_MAY_CHANGE)]
    if changed:
        raise ConfigError(
            f"this is not the run that was begun: {'; '.join(changed[:5])}; resume without these "
            "settings, or start a new run from its weights (--init-from)"
        )
    return asked


def _with_classes(asked: RunConfig, saved: RunConfig) -> RunConfig:
    """Filled in as it was when the run began, if labels are asked for as they were then."""
    if asked.labels is None or saved.labels is None or not saved.labels.classes:
        return asked
    labels = asked.labels.model_copy(update={"classes": saved.labels.classes})
    if labels != saved.labels:
        return asked
    objective = asked.objective.for_classes(list(saved.labels.classes.values()))
    return asked.model_copy(update={"labels": labels, "objective": objective})


def _differences(before: Any, now: Any, prefix: str = "") -> list[str]:
    """Dotted keys at which two plain values differ, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        found: list[str] = []
        for key in before | now:
            found += _differences(before.get(key), now.get(key), f"{prefix}{key}.")
        return found
    return [] if before == now else [f"{prefix[:-1]} was {before!r}, now {now!r}"]
