"""Settings that wait for an epoch that a run does not have."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from natlib.assignment import Reassignment
from natlib.errors import ConfigError
from natlib.groups import settings_within
from natlib.objectives import CosineWeight, LinearWeight
from natlib.training.config import RunConfig, TrainingConfig

__all__ = ["NeverDue", "check_due", "never_due"]


class NeverDue(NamedTuple):
    """A setting that never takes effect.

    Attributes:
        path: of the setting.
        text: one line: what does not happen, and what to do.
    """

    path: str
    text: str


def never_due(config: RunConfig) -> Iterator[NeverDue]:
    """The settings that wait for an epoch that the run does not have."""
    epochs = config.training.epochs
    for path, group in settings_within(config):
        if isinstance(group, Reassignment):
            name, value, last, what = "every", group.every, epochs - 1, "slots are never reassigned"
        elif isinstance(group, CosineWeight | LinearWeight):
            name, value, last, what = "begin", group.begin, epochs - 1, "the weight never changes"
        elif isinstance(group, TrainingConfig) and group.knn_every_epochs is not None:
            name, value, last = "knn_every_epochs", group.knn_every_epochs, epochs
            what = "kNN accuracy is not measured in training"
        else:
            continue
        if value > last:
            remedy = f"set it to {last} at most" if last else "leave it out"
            yield NeverDue(
                path + name,
                f"{path}{name} is {value} and training.epochs {epochs}, so {what}; {remedy}, or "
                f"raise training.epochs",
            )


def check_due(config: RunConfig, asked: Mapping[str, Any]) -> None:
    """Check that what a user set takes effect in some epoch.

    Args:
        config: the whole configuration.
        asked: what the user set, nested.

    Raises:
        ConfigError: a setting waits for an epoch that the run does not have.
    """
    for path, text in never_due(config):
        if _has(asked, path):
            raise ConfigError(text)


def _has(asked: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(asked, Mapping) or key not in asked:
            return False
        asked = asked[key]
    return True
