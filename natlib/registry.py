"""The kinds of one family of components, by name.

Knows neither torch nor pydantic: a command's help and its completion list kinds with it.
"""

import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module, metadata
from typing import Any, Generic, TypeVar

from natlib.errors import ConfigError, one_line
from natlib.escaping import short
from natlib.extras import how_to_install

__all__ = ["EntryPoints", "Registered", "Registry", "nearest", "origin"]

C = TypeVar("C")


def nearest(word: str, known: Iterable[str]) -> str:
    """Words for an error message: the nearest of ``known``, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected one of: {', '.join(names) or '(none)'}"


@dataclass(frozen=True)
class Registered:
    """One line of a registry: a kind and where it comes from."""

    kind: str
    origin: str


class EntryPoints:
    """What installed distributions register in one entry-point group.

    Args:
        noun: what a member is called in messages, for example ``"solver"``.
        group: the entry-point group.
    """

    def __init__(self, noun: str, group: str) -> None:
        self.noun = noun
        self.group = group

    def found(self) -> dict[str, metadata.EntryPoint]:
        """The entry points by name; nothing is imported.

        Raises:
            ConfigError: two distributions register the same name.
        """
        found: dict[str, metadata.EntryPoint] = {}
        for entry in _installed(_places()).get(self.group, ()):
            other = found.get(entry.name)
            if other is not None and other.value != entry.value:
                raise ConfigError(
                    f"two plug-ins register the {self.noun} '{entry.name}': {origin(other)} "
                    f"({other.value}) and {origin(entry)} ({entry.value}); uninstall one of them"
                )
            found[entry.name] = entry
        return found

    def listing(self) -> list[Registered]:
        """Every registered name, sorted, without importing any."""
        rows = [Registered(name, origin(entry)) for name, entry in self.found().items()]
        return sorted(rows, key=lambda row: row.kind)

    def load(self, entry: metadata.EntryPoint) -> Any:
        """Import what an entry point names.

        Raises:
            ConfigError: it cannot be imported.
        """
        before = set(sys.modules)
        try:
            return entry.load()
        except Exception as error:  # other people's code: it may fail in any way
            # A package that fails leaves its modules behind, and the next attempt would find them.
            package = entry.module.partition(".")[0]
            for name in set(sys.modules) - before:
                if name.partition(".")[0] == package:
                    del sys.modules[name]
            command = None
            if isinstance(error, ModuleNotFoundError) and error.name and entry.dist is not None:
                command = how_to_install(error.name, entry.module, entry.dist.name)
            raise ConfigError(
                f"the {self.noun} '{entry.name}' of {origin(entry)} cannot be imported: "
                f"{one_line(error)}; " + (command or "install what it needs, or ask its authors")
            ) from error


class Registry(Generic[C]):
    """The kinds of one family: natlib's own, and those that plug-ins register.

    Args:
        noun: what a member is called in messages, for example ``"solver"``.
        group: the entry-point group that other distributions register in.
        own: natlib's own kinds, so that they can be listed before they are imported.
        package: what registers them when it is imported.
    """

    def __init__(
        self, noun: str, group: str, own: Sequence[str] = (), package: str | None = None
    ) -> None:
        self.noun = noun
        self.group = group
        self.own = frozenset(own)
        self._package = package
        self._builtin: dict[str, type[C]] = {}
        self._plugins = EntryPoints(noun, group)

    def add(self, cls: type[C]) -> None:
        """Add a class of natlib's own under the default of its ``kind`` field."""
        kind = _kind(cls)
        known = self._builtin.get(kind)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ConfigError(f"two {self.noun}s are called '{kind}': {known} and {cls}")
        self._builtin[kind] = cls

    def _entry_points(self) -> dict[str, metadata.EntryPoint]:
        found = self._plugins.found()
        for name, entry in found.items():
            if name in self.own or name in self._builtin:
                raise ConfigError(
                    f"the plug-in {origin(entry)} registers the {self.noun} '{name}', "
                    "a name that natlib itself uses; rename it or uninstall the plug-in"
                )
        return found

    def listing(self) -> list[Registered]:
        """Every registered kind, sorted, without importing any."""
        rows = [Registered(kind, "natlib") for kind in {*self.own, *self._builtin}]
        rows += [Registered(name, origin(entry)) for name, entry in self._entry_points().items()]
        return sorted(rows, key=lambda row: row.kind)

    def kinds(self) -> list[str]:
        """Names of every registered kind, sorted."""
        return [row.kind for row in self.listing()]

    def is_installed(self, kind: str) -> bool:
        """Whether any program finds a kind: natlib's own, or one with an entry point."""
        return kind in self.own or kind in self._plugins.found()

    def get(self, kind: str) -> type[C]:
        """The class of a kind.

        Raises:
            ConfigError: nothing is registered under that name, a plug-in cannot
                be imported, or two plug-ins claim the name.
        """
        if kind in self.own and kind not in self._builtin and self._package is not None:
            import_module(self._package)
        if kind in self._builtin:
            return self._builtin[kind]
        entry = self._entry_points().get(kind)
        if entry is None:
            found = short(kind, 120)
            raise ConfigError(f"unknown {self.noun} '{found}'; {nearest(kind, self.kinds())}")
        cls: Any = self._plugins.load(entry)
        if not (isinstance(cls, type) and getattr(cls, "registry", None) is self):
            raise ConfigError(
                f"{origin(entry)} registers '{kind}', but {entry.value} is not a {self.noun}; "
                f"the entry-point group {self.group} is for classes of that family only"
            )
        if _kind(cls) != kind:
            raise ConfigError(
                f"{origin(entry)} registers '{kind}', but {entry.value} calls itself "
                f"'{_kind(cls)}'; make the two names equal"
            )
        return cls


def _kind(cls: Any) -> str:
    return str(cls.model_fields["kind"].default)


def _places() -> tuple[tuple[str, int], ...]:
    """Where distributions are looked for, and when something was last added there."""
    places = []
    for place in sys.path:
        try:
            places.append((place, os.stat(place or ".").st_mtime_ns))
        except OSError:
            places.append((place, 0))
    return tuple(places)


@lru_cache(maxsize=4)
def _installed(places: tuple[tuple[str, int], ...]) -> dict[str, list[metadata.EntryPoint]]:
    # Reading what every distribution offers takes 15 ms; ``places`` tells when to read again.
    everything: Any = metadata.entry_points()
    found: dict[str, list[metadata.EntryPoint]] = {}
    for group in everything.groups:
        found[group] = list(everything.select(group=group))
    return found


def origin(entry: metadata.EntryPoint) -> str:
    """Name and version of the distribution that an entry point belongs to."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
