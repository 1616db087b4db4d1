"""What a user leaves to natlib when a run begins."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from natlib.errors import ConfigError
from natlib.escaping import shown
from natlib.training.config import RunConfig
from natlib.training.fitting.duration import parse_duration
from natlib.training.fitting.machine import Machine

__all__ = ["OpenSettings", "left_open"]


class Composer(Protocol):
    """Composes the configuration of a run, with a layer that natlib has chosen over the preset."""

    def __call__(self, *, chosen: Mapping[str, Any]) -> RunConfig: ...


class OpenSettings(NamedTuple):
    """What a user leaves to natlib when a run begins.

    Attributes:
        compose: lays what is chosen under everything that the user gave.
        asked: the settings that the user gave, nested; these stay.
        everything: whether inputs, encoder, batch and epochs may be chosen, where ``asked`` does
            not name them; otherwise only the number of epochs, and only for a ``budget``.
        budget: seconds that the run may take. By default half an hour, and no more than the data
            need.
    """

    compose: Composer
    asked: Mapping[str, Any]
    everything: bool = True
    budget: float | None = None

    def applies_to(self, machine: Machine) -> bool:
        """Whether there is anything to choose on a machine; an accelerator gets the preset."""
        return self.budget is not None or (self.everything and not machine.has_accelerator)

    def asks(self, *path: str) -> bool:
        """Whether the user gave a setting."""
        return _at(self.asked, path) is not None

    def as_chosen_before(self, config: RunConfig, saved: RunConfig) -> RunConfig:
        """The configuration that is asked for, with what was chosen when its run began.

        Args:
            config: everything as it is without a choice.
            saved: the configuration of the run.
        """
        before = saved.model_dump(mode="json")
        training = ["epochs", "knn_every_epochs", *(["batch_size"] if self.everything else [])]
        chosen: dict[str, Any] = {"training": {key: before["training"][key] for key in training}}
        if self.everything:
            chosen["encoder"] = before["encoder"]
            candidates = config.data.candidates()
            keys = {key for each in candidates for key in each.settings.get("data", {})}
            chosen["data"] = {key: before["data"][key] for key in keys}
        return self.compose(chosen=chosen)


def left_open(
    config: RunConfig,
    compose: Composer,
    asked: Mapping[str, Any],
    preset: str | None = None,
    budget: str | None = None,
) -> OpenSettings | None:
    """What a user leaves to natlib, by what they gave; None for nothing.

    A preset that is named is taken as it is, and so are those of the small sets that come with
    natlib: only a budget then changes the number of epochs.

    Args:
        config: composed of everything that they gave.
        compose: composes it, with more under what they gave.
        asked: of that, single settings; see :func:`natlib.training.asked_for`.
        preset: the preset that they named.
        budget: how long the run may take, ``"20m"`` say.

    Raises:
        ConfigError: the budget cannot be read, or the number of epochs is given as well.
    """
    named = preset is not None or "preset" in asked
    everything = not named and config.data.source is not None
    seconds = None if budget is None else parse_duration(budget)
    found = OpenSettings(compose, asked, everything, seconds)
    if budget is not None and found.asks("training", "epochs"):
        raise ConfigError(
            f"a budget ({shown(budget)}) chooses the number of epochs, and training.epochs is "
            f"{config.training.epochs}; give one of the two"
        )
    return found if everything or budget is not None else None


def _at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = values
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found
