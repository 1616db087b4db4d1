"""Settings that take one value or several."""

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

__all__ = ["OneOrMore"]

T = TypeVar("T")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


OneOrMore = Annotated[tuple[T, ...], BeforeValidator(_several), Field(min_length=1)]
"""Several names, or a single one without brackets."""
