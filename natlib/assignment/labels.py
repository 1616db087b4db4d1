"""Check the labels of a batch."""

from torch import Tensor

from natlib.errors import ConfigError

__all__ = ["check_labels"]


def check_labels(labels: Tensor | None, kind: str, classes: int) -> Tensor:
    """The labels int64[b], after checking that there are any and that their classes are known.

    Raises:
        ConfigError: there are none, or they are of more classes.
    """
    if labels is None:
        raise ConfigError(
            f"the objective '{kind}' learns from labels: call with labels=..., the class of each "
            "sample, -1 where it has none"
        )
    if len(labels) and int(labels.max()) >= classes:
        raise ConfigError(
            f"a sample has the label {int(labels.max())}, and the objective '{kind}' has "
            f"{classes} classes; give labels below {classes}"
        )
    return labels
