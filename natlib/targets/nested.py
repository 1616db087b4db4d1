"""Target distributions inside other ones."""

from typing import Any

from natlib.errors import ConfigError
from natlib.targets.base import TargetDistribution

__all__ = ["fixed_part"]


def fixed_part(part: TargetDistribution, whole: str, **values: Any) -> TargetDistribution:
    """The part of another distribution, with values that the whole decides, such as ``dim``.

    Args:
        part: as configured.
        whole: the kind that it is a part of, for messages.
        values: values of its fields; ``seed`` is left out where the part has none to choose.

    Raises:
        ConfigError: the part learns.
        ValidationError: the part cannot have a value.
    """
    if part.learned:
        raise ConfigError(
            f"targets '{part.kind}' learn, and inside {whole} a part is not trained; "
            f"choose fixed targets there, or use {part.kind} by itself"
        )
    if not part.seeded:
        values.pop("seed", None)
    changed = {name: value for name, value in values.items() if getattr(part, name) != value}
    return type(part).model_validate(part.model_dump() | changed) if changed else part
