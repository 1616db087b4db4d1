"""A component is a value: a frozen pydantic model that is its own configuration.

A *family* is an abstract component (``TargetDistribution``, ``Solver``, ...) that
owns a :class:`Registry`. A field annotated with a family accepts an instance, a
mapping with a ``kind``, or the bare ``kind`` as a string; the registry says which
class that is. Kinds come from two places: :func:`register` inside natlib, and
entry points in other distributions, imported only when their kind is asked for.
"""

import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from natlib.errors import ConfigError

__all__ = ["Component", "Registered", "Registry", "Settings", "nearest", "register"]

C = TypeVar("C", bound="Component")


def nearest(word: str, known: Iterable[str]) -> str:
    """Words for an error message: the nearest of ``known``, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected one of: {', '.join(names) or '(none)'}"


class Settings(BaseModel):
    """A frozen group of options. Unknown keys are errors that name the nearest one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_keys(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for key in value:
                if key not in cls.model_fields:
                    # ``key`` and ``hint`` travel apart from the text, so that
                    # whoever prints the error can put the full path in front.
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key '{key}'; {hint}",
                        {"key": str(key), "hint": nearest(str(key), cls.model_fields)},
                    )
        return value


@dataclass(frozen=True)
class Registered:
    """One line of a registry: a kind and where it comes from."""

    kind: str
    origin: str


class Registry(Generic[C]):
    """The kinds of one family.

    Args:
        noun: what a member is called in messages, for example ``"solver"``.
        group: the entry-point group that other distributions register in.
    """

    def __init__(self, noun: str, group: str) -> None:
        self.noun = noun
        self.group = group
        self._builtin: dict[str, type[C]] = {}

    def add(self, cls: type[C]) -> None:
        """Add a class of natlib's own under the default of its ``kind`` field."""
        kind = cls.model_fields["kind"].default
        known = self._builtin.get(kind)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ConfigError(f"two {self.noun}s are called '{kind}': {known} and {cls}")
        self._builtin[kind] = cls

    def _entry_points(self) -> dict[str, metadata.EntryPoint]:
        found: dict[str, metadata.EntryPoint] = {}
        for entry in _installed(self.group, _places()):
            other = found.get(entry.name)
            if other is not None and other.value != entry.value:
                raise ConfigError(
                    f"two plug-ins register the {self.noun} '{entry.name}': {_origin(other)} "
                    f"({other.value}) and {_origin(entry)} ({entry.value}); uninstall one of them"
                )
            if entry.name in self._builtin:
                raise ConfigError(
                    f"the plug-in {_origin(entry)} registers the {self.noun} '{entry.name}', "
                    "a name that natlib itself uses; rename it or uninstall the plug-in"
                )
            found[entry.name] = entry
        return found

    def listing(self) -> list[Registered]:
        """Every registered kind, sorted, without importing any plug-in."""
        rows = [Registered(kind, "natlib") for kind in self._builtin]
        rows += [Registered(name, _origin(e)) for name, e in self._entry_points().items()]
        return sorted(rows, key=lambda row: row.kind)

    def kinds(self) -> list[str]:
        """Names of every registered kind, sorted."""
        return [row.kind for row in self.listing()]

    def get(self, kind: str) -> type[C]:
        """The class of a kind.

        Raises:
            ConfigError: nothing is registered under that name, a plug-in cannot
                be imported, or two plug-ins claim the name.
        """
        if kind in self._builtin:
            return self._builtin[kind]
        entry = self._entry_points().get(kind)
        if entry is None:
            raise ConfigError(f"unknown {self.noun} '{kind}'; {nearest(kind, self.kinds())}")
        try:
            cls = entry.load()
        except Exception as error:  # other people's code: it may fail in any way
            what = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(
                f"the {self.noun} '{kind}' of {_origin(entry)} cannot be imported: {what}; "
                "install what it needs, or ask its authors"
            ) from error
        if not (isinstance(cls, type) and issubclass(cls, Component) and cls.registry is self):
            raise ConfigError(
                f"{_origin(entry)} registers '{kind}', but {entry.value} is not a {self.noun}; "
                f"the entry-point group {self.group} is for classes of that family only"
            )
        if cls.model_fields["kind"].default != kind:
            raise ConfigError(
                f"{_origin(entry)} registers '{kind}', but {entry.value} calls itself "
                f"'{cls.model_fields['kind'].default}'; make the two names equal"
            )
        return cast("type[C]", cls)


def _places() -> tuple[tuple[str, int], ...]:
    """Where distributions are looked for, and when something was last added there."""
    places = []
    for place in sys.path:
        try:
            places.append((place, os.stat(place or ".").st_mtime_ns))
        except OSError:
            places.append((place, 0))
    return tuple(places)


@lru_cache(maxsize=32)
def _installed(group: str, places: tuple[tuple[str, int], ...]) -> tuple[metadata.EntryPoint, ...]:
    # Reading what every distribution offers takes 15 ms; ``places`` tells when to read again.
    return tuple(metadata.entry_points(group=group))


def _origin(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"


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
                {"noun": cls.registry.noun, "got": repr(value)},
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
            raise PydanticCustomError("component", "{text}", {"text": str(error)}) from error
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
