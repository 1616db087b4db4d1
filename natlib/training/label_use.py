"""Labels and objectives that need each other."""

from natlib.errors import ConfigError
from natlib.training.config import RunConfig

__all__ = ["check_label_use"]


def check_label_use(config: RunConfig) -> None:
    """Check that training sees labels exactly if the objective uses them.

    Raises:
        ConfigError: labels without an objective that uses them, or the reverse.
    """
    objective = config.objective
    if config.labels is None and objective.uses_labels:
        raise ConfigError(
            f"the objective '{objective.kind}' learns from labels; say how many of them training "
            "sees (--label-fraction, --labels-per-class, or labels.fraction: 1 for all)"
        )
    if config.labels is not None and not objective.uses_labels:
        raise ConfigError(
            f"training is to see labels, and the objective '{objective.kind}' uses none; take the "
            "preset 'semi' (--preset semi), set objective.assignment.class_targets, combine it "
            "with 'supervised' (objective.kind=combined), or leave labels out"
        )
