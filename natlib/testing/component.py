"""The contract of components of any family."""

from typing import Any, cast

from pydantic import ValidationError

from natlib.component import Component
from natlib.errors import ConfigError
from natlib.testing.contract import ContractError, Named, expect

__all__ = ["COMPONENT_CHECKS"]


def _file(component: Component) -> None:
    cls = type(component)
    twin = cls.model_validate_json(component.model_dump_json())
    expect(
        twin.model_dump() == component.model_dump(),
        f"written to JSON and read back, {component!r} is {twin!r}",
        "the same values",
        "give fields types that JSON can hold (numbers, text, tuples, components)",
    )


def _frozen(component: Component) -> None:
    name = next(iter(type(component).model_fields))
    try:
        setattr(component, name, getattr(component, name))
    except ValidationError:
        return
    raise ContractError(
        f"the field '{name}' can be changed; expected a frozen component; "
        "leave model_config as the family sets it"
    )


def _value(component: Component) -> None:
    twin = component.model_copy()
    expect(
        twin == component and hash(twin) == hash(component),
        "a copy differs from the component or has another hash",
        "equality and hash by value",
        "use tuples in place of lists, dicts and sets as values of fields",
    )


def _documented(component: Component) -> None:
    silent = [
        name
        for name, field in type(component).model_fields.items()
        if name != "kind" and not field.description
    ]
    expect(
        not silent,
        f"the field '{''.join(silent[:1])}' has no docstring",
        "a docstring under every field",
        "write one: it is what `natlib config init` shows",
    )


def _unknown(component: Component) -> None:
    values: dict[str, Any] = component.model_dump() | {"no_such_key": 1}
    try:
        type(component).model_validate(values)
    except ValidationError:
        return
    raise ContractError(
        "a key that does not exist is accepted; expected an error; "
        "leave model_config as the family sets it"
    )


def _registered(component: Component) -> None:
    cls = type(component)
    try:
        known = cast("type[Component] | None", component.registry.get(component.kind))
    except ConfigError:
        known = None  # not installed yet, so it cannot be checked
    expect(
        known in (None, cls),
        f"'{component.kind}' is registered as {known}",
        f"{cls}",
        "give the kind a name of its own, or install the plug-in that is tested",
    )
    default = cls.model_fields["kind"].default
    expect(
        component.kind == default,
        f"'kind' is '{component.kind}' here and '{default}' by default",
        "one name",
        'write kind: Literal["name"] = "name"',
    )


COMPONENT_CHECKS: tuple[Named[Component], ...] = (
    ("survives a file", _file),
    ("frozen", _frozen),
    ("equal by value", _value),
    ("documented", _documented),
    ("unknown keys are errors", _unknown),
    ("one name", _registered),
)
