"""Whether a configuration that is asked for is that of the run to resume."""

from pathlib import Path
from typing import Any, NamedTuple

from natlib.data import Modality
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError
from natlib.training.config import RunConfig

__all__ = ["Difference", "moves", "same_run"]

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
# Where samples and labels are; whether they are the same ones is told by their digest.
_OF_DATA = ("data.", "labels.source")


class Difference(NamedTuple):
    """A setting that differs.

    Attributes:
        key: its dotted key.
        before: its value in the run.
        now: the value that is asked for.
    """

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key} was {self.before!r}, now {self.now!r}"


def same_run(saved: RunConfig, asked: RunConfig) -> RunConfig:
    """The configuration that is asked for, if it differs only in how and where to compute.

    Paths of data may differ, too: :func:`moves` says which. Whether the same samples are there has
    still to be checked.

    Raises:
        ConfigError: it is another run; the message names the settings that differ.
    """
    data = _resolved(saved.data, asked.data, asked.encoder or saved.encoder)
    encoder = data.complete(asked.encoder) if asked.encoder else saved.encoder
    asked = asked.model_copy(update={"data": data, "encoder": encoder})
    if asked.training.micro_batch == "auto":
        training = {"micro_batch": saved.training.micro_batch}
        asked = asked.model_copy(update={"training": asked.training.model_copy(update=training)})
    asked = _with_classes(asked, saved)
    changed = [
        found
        for found in _differences(saved.model_dump(mode="json"), asked.model_dump(mode="json"))
        if not found.key.startswith(_MAY_CHANGE) and not _moved(found)
    ]
    if changed:
        raise ConfigError(
            f"this is not the run that was begun: {'; '.join(map(str, changed[:5]))}; leave "
            "these settings as they were, or start a new run, from its weights (--init-from) if "
            "you like"
        )
    return asked


def moves(saved: RunConfig, now: RunConfig) -> list[Difference]:
    """Paths of data that differ between the configuration of a run and the one to resume with."""
    before, after = saved.model_dump(mode="json"), now.model_dump(mode="json")
    return [found for found in _differences(before, after) if _moved(found)]


def _resolved(saved: Modality, asked: Modality, encoder: EncoderRecipe | None) -> Modality:
    """Data as they were resolved when the run began, with the paths that are asked for."""
    differing = _differences(saved.model_dump(mode="json"), asked.model_dump(mode="json"))
    if not differing:
        return saved
    # Paths are made absolute and so on, as they were when the run began.
    resolved = asked.for_encoder(encoder).resolved()
    paths = {found.key: getattr(resolved, found.key, None) for found in differing}
    if all(_is_path(found.before) and _is_path(paths[found.key]) for found in differing):
        return saved.model_copy(update=paths)
    # Nothing is fitted anew: a run keeps what it began with.
    return resolved.with_fitted(saved.fitted())


def _moved(found: Difference) -> bool:
    return found.key.startswith(_OF_DATA) and _is_path(found.before) and _is_path(found.now)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _with_classes(asked: RunConfig, saved: RunConfig) -> RunConfig:
    """Filled in as it was when the run began, if labels are asked for as they were then."""
    if asked.labels is None or saved.labels is None or not saved.labels.classes:
        return asked
    labels = asked.labels.model_copy(update={"classes": saved.labels.classes})
    if labels.model_copy(update={"source": saved.labels.source}) != saved.labels:
        return asked
    objective = asked.objective.for_classes(list(saved.labels.classes.values()))
    return asked.model_copy(update={"labels": labels, "objective": objective})


def _differences(before: Any, now: Any, prefix: str = "") -> list[Difference]:
    """Dotted keys at which two plain values differ, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        found: list[Difference] = []
        for key in before | now:
            found += _differences(before.get(key), now.get(key), f"{prefix}{key}.")
        return found
    return [] if before == now else [Difference(prefix[:-1], before, now)]
