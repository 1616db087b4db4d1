"""A component is a value: a frozen pydantic model that is its own configuration.

A *family* is an abstract component (``TargetDistribution``, ``Solver``, ...) that
owns a :class:`Registry`. A field annotated with a family accepts an instance, a
mapping with a ``kind``, or the bare ``kind`` as a string; the registry says which
class that is. Kinds come from two places: :func:`register` inside natlib, and
entry points in other distributions, imported only when their kind is asked for.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from natlib.conditions import Condition, unread, value_of
from natlib.errors import ConfigError
from natlib.escaping import escaped, short, shown
from natlib.key_hints import Hint, key_hint
from natlib.registry import Registered, Registry, nearest

__all__ = [
    "Component",
    "Condition",
    "Registered",
    "Registry",
    "Seed",
    "Settings",
    "nearest",
    "register",
]

C = TypeVar("C", bound="Component")

Seed = Annotated[int, Field(ge=0, lt=2**64)]
"""A seed of random numbers."""

# Sizes, counts and positions are signed numbers of 64 bits wherever they are computed with.
_LARGEST = 2**63 - 1


class Settings(BaseModel):
    """A frozen group of options.

    Unknown keys are errors that say which one was meant, and so are options that are set where
    nothing reads them (``conditions``). What nothing reads is left out when a group is written.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        protected_namespaces=(),
        # No setting means anything at infinity, and JSON cannot hold it.
        allow_inf_nan=False,
    )

    moved: ClassVar[Mapping[str, str]] = {}
    """Keys of an earlier form of these options, and where they are now; for error messages."""
    conditions: ClassVar[tuple[Condition, ...]] = ()
    """Which options are read for some values of others only."""

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_keys(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for key in value:
                if key not in cls.model_fields:
                    hint = cls._hint(str(key), value)
                    # They travel apart from the text too, so that whoever prints the error can
                    # put the full path in front.
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key '{key}'; {hint}",
                        {"key": escaped(str(key)), "hint": escaped(hint.text()), "where": hint},
                    )
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _refuse_endless_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        seed = any(getattr(each, "lt", None) == 2**64 for each in _metadata(cls, info.field_name))
        numbers = value if isinstance(value, tuple | list) else (value,)
        for number in numbers:
            if isinstance(number, int) and abs(number) > _LARGEST and not seed:
                raise ValueError(
                    f"a whole number of {number.bit_length()} bits is more than any size; expected "
                    "at most 2^63 - 1"
                )
        return value

    @model_validator(mode="after")
    def _reject_unread(self) -> Self:
        for found in unread(type(self), dict(self)):
            # What is turned off (0, false, null) needs nobody to read it.
            given = tuple(
                name for name in found.names if _is_set(self, name) and value_of(self, name)
            )
            if given:
                found = found._replace(names=given)
                raise PydanticCustomError(
                    "unread_setting", "{text}", {"text": found.text(), "unread": found}
                )
        return self

    @model_serializer(mode="wrap")
    def _without_unread(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        for found in unread(type(self), dict(self)):
            for name in found.names:
                if not _is_set(self, name) or value_of(self, name):
                    _remove(values, name)
        return values

    def changed(self, **values: Any) -> Self:
        """A copy with other values, validated; what is not set stays so."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate(given | values)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values: each is validated, and how they go together is not.

        Raises:
            ConfigError: there is no such option.
            pydantic.ValidationError: a value is none of its option's type.
        """
        for key in update or {}:
            if key not in type(self).model_fields:
                hint = self._hint(key, dict(update or {}))
                raise ConfigError(f"unknown key '{escaped(key)}'; {escaped(hint.text())}")
        valid = {
            name: getattr(_alone(type(self), name).model_validate({name: value}), name)
            for name, value in (update or {}).items()
        }
        return super().model_copy(update=valid, deep=deep)

    @classmethod
    def _hint(cls, key: str, values: Mapping[str, Any]) -> Hint:
        """What to do about a key that there is not."""
        if key in cls.moved:
            return Hint("it is of an earlier form of this configuration; now {}", [cls.moved[key]])
        return key_hint(cls, values, key)


class _OneOption(Settings):
    """One option of another group; its docstring stays where it is."""

    model_config = ConfigDict(use_attribute_docstrings=False)


@cache
def _alone(cls: type[BaseModel], name: str) -> type[Settings]:
    """A group with one option of another group, so that this can be validated alone."""
    field = cls.model_fields[name]
    kind: Any = (field.annotation, field)
    # Of no module: it is none of natlib's groups.
    group: type[Settings] = create_model(
        cls.__name__, __base__=_OneOption, __module__="", **{name: kind}
    )
    return group


def _metadata(cls: type[BaseModel], name: str) -> list[Any]:
    return cls.model_fields[name].metadata


def _is_set(group: Any, name: str) -> bool:
    """Whether an option, with dots where it is of a group inside, was given."""
    first, _, rest = name.partition(".")
    return first in group.model_fields_set and (not rest or _is_set(getattr(group, first), rest))


def _remove(values: dict[str, Any], name: str) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        values = values.get(parent) or {}
    values.pop(last, None)


class Component(Settings):
    """A configuration that is at once its behaviour; ``kind`` names its class."""

    registry: ClassVar[Registry[Any]]

    kind: str

    @classmethod
    def _is_family(cls) -> bool:
        return "registry" in cls.__dict__

    @classmethod
    def resolve(cls, value: Any) -> Self:
        """An instance from an instance, a mapping with a ``kind``, or a bare kind."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "component",
                "expected one {noun} (a mapping with 'kind', or the name of a kind), got {got}",
                {"noun": cls.registry.noun, "got": shown(value)},
            )
        if "kind" not in value:
            raise PydanticCustomError(
                "component",
                "the {noun} needs a 'kind'; expected one of: {kinds}",
                {"noun": cls.registry.noun, "kinds": ", ".join(cls.registry.kinds())},
            )
        try:
            member = cls.registry.get(str(value["kind"]))
        except ConfigError as error:
            # The group tells that the kind is unknown: whoever reads a saved run says more.
            context = {"text": short(str(error)), "group": cls.registry.group}
            raise PydanticCustomError("component", "{text}", context) from error
        return cast("Self", member.model_validate(value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not cls._is_family():
            return handler(source)
        return core_schema.no_info_plain_validator_function(
            cls.resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.model_dump(mode="json")
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if not cls._is_family():
            return handler(schema)
        kinds = cls.registry.kinds()
        options: list[dict[str, Any]] = [{"type": "string", "enum": kinds}]
        if cls in _described.get():
            # A member inside another one of its family: its keys stand outside already.
            options.append(_some_mapping({"enum": kinds}))
            return {"anyOf": options}
        outer = _described.set((*_described.get(), cls))
        try:
            for kind in kinds:
                try:
                    options.append(handler(cls.registry.get(kind).__pydantic_core_schema__))
                except ConfigError as error:  # a plug-in that lacks what it needs: trust it
                    options.append(_some_mapping({"const": kind}, str(error)))
        finally:
            _described.reset(outer)
        return {"anyOf": options}


# The families whose JSON schema is being written.
_described: ContextVar[tuple[type[Component], ...]] = ContextVar("described", default=())


def _some_mapping(kind: dict[str, Any], description: str = "") -> dict[str, Any]:
    """JSON schema of a component of which only the kind is known."""
    about = {"description": description} if description else {}
    return {"type": "object", **about, "properties": {"kind": kind}, "required": ["kind"]}


def register(cls: type[C]) -> type[C]:
    """Class decorator: add a component to the registry of its family."""
    cls.registry.add(cls)
    return cls
