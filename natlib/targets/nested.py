"""Target distributions inside other ones."""

from typing import Any

from natlib.errors import ConfigError
from natlib.targets.base import TargetDistribution

__all__ = ["fixed_part", "written_part"]


def fixed_part(part: TargetDistribution, whole: str, **values: Any) -> TargetDistribution:
    """The part of another distribution, with values that the whole decides, such as ``dim``.

    These count as not set in the part, so that they follow the whole when it changes.

    Args:
        part: as configured.
        whole: the kind that it is a part of, for messages.
        values: values of its fields; ``seed`` is left out where the part has none to choose.

    Raises:
        ConfigError: the part learns.
        ValueError: the part was given another value.
        ValidationError: the part cannot have a value.
    """
    if part.learned:
        raise ConfigError(
            f"targets '{part.kind}' learn, and inside {whole} a part is not trained; "
            f"choose fixed targets there, or use {part.kind} by itself"
        )
    if not part.seeded:
        values.pop("seed", None)
    for name, value in values.items():
        given = getattr(part, name)
        if name in part.model_fields_set and given != value:
            raise ValueError(
                f"{name} of '{part.kind}' is {given}, and inside {whole} it has the {name} of the "
                f"whole, {value}; leave it out, or set that {name} to {given}"
            )
    own = {name: value for name, value in part if name in part.model_fields_set}
    fixed = type(part).model_validate(own | values)
    fixed.model_fields_set.difference_update(values)
    return fixed


def written_part(part: TargetDistribution, *decided: str) -> dict[str, Any]:
    """A part as it is written: without the values that the whole decides."""
    values = part.model_dump(mode="json")
    return {name: value for name, value in values.items() if name not in decided}
