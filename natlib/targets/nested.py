"""Distributions inside distributions."""

from typing import Any

from natlib.errors import ConfigError
from natlib.targets.base import TargetDistribution

__all__ = ["fixed_part"]


def fixed_part(part: TargetDistribution, whole: str, **values: Any) -> TargetDistribution:
    """The same distribution with other values, such as the ``dim`` of what it is a part of.

    Args:
        part: what is put in.
        whole: the kind that it is put into, for messages.
        values: fields and what they shall be.

    Raises:
        ConfigError: the part would have to be trained.
        ValidationError: the part cannot take a value.
    """
    if part.learned:
        raise ConfigError(
            f"targets '{part.kind}' learn, and inside {whole} a part is not trained; "
            f"take fixed targets there, or use {part.kind} by itself"
        )
    changed = {name: value for name, value in values.items() if getattr(part, name) != value}
    return type(part).model_validate(part.model_dump() | changed) if changed else part
