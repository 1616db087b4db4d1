"""Every value that a setting names can be given with ``--set``, without quotes."""

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter

from natlib.component import Component
from natlib.configuration import parse_setting
from natlib.families import FAMILIES
from natlib.training import RunConfig


def literals(annotation: Any) -> list[Any]:
    """The values of every Literal in an annotation."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for inner in get_args(annotation) for value in literals(inner)]


def is_group(annotation: Any) -> bool:
    return (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and not issubclass(annotation, Component)
    )


def groups(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and the groups of settings in its fields, without components."""
    yield model
    for field in model.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
            if is_group(inner):
                yield from groups(inner)


MODELS: dict[str, type[BaseModel]] = {
    f"{registry.noun} {kind}": registry.get(kind)
    for registry in FAMILIES
    for kind in registry.kinds()
} | {"run": RunConfig}


@pytest.mark.parametrize("name", MODELS)
def test_values_named_by_a_setting(name: str) -> None:
    for model in groups(MODELS[name]):
        for key, field in model.model_fields.items():
            reads: TypeAdapter[Any] = TypeAdapter(field.annotation)
            for value in literals(field.annotation):
                several = get_origin(field.annotation) is tuple
                given = parse_setting(f"{key}=[{value}]" if several else f"{key}={value}")[key]
                expected = (value,) if several else value
                # What takes several may take one without brackets.
                assert reads.validate_python(given) in (expected, (value,)), (
                    f"{model.__name__}.{key}={value}"
                )


def test_such_values_are_found() -> None:
    values = {
        str(value)
        for model in MODELS.values()
        for group in groups(model)
        for field in group.model_fields.values()
        for value in literals(field.annotation)
    }
    # One of them is a number.
    assert {"18", "adamw", "uniform_sphere", "cosine", "spread", "lapjv"} <= values


def test_help_names_only_values_that_can_be_given() -> None:
    """In the help of a choice, a word in double backticks is a value or a setting of its group."""
    for model in {group for one in MODELS.values() for group in groups(one)}:
        fields = model.model_fields
        known = {str(value) for field in fields.values() for value in literals(field.annotation)}
        for key, field in fields.items():
            if literals(field.annotation):
                words = set(re.findall(r"``([a-z_0-9]+)``", field.description or ""))
                assert words <= known | fields.keys() | {"null"}, f"{model.__name__}.{key}"
