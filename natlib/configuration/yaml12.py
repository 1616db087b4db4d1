"""YAML 1.2, read and written without surprises.

Values follow the core schema of YAML 1.2.2 (https://yaml.org/spec/1.2.2/#103-core-schema): ``on``,
``off``, ``no``, ``1:30`` and dates are strings, ``1e-3`` is a number. Keys are always strings, as
they are written. Duplicate keys, aliases and anchors, tags and a second document are errors.

ruamel.yaml parses; none of its constructors runs, so that no tag can make an object.
"""

import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.representer import SafeRepresenter

from natlib.errors import ConfigError
from natlib.runtime.reading import DEEPEST, parse_json, read_text

__all__ = ["dump_yaml", "parse_scalar", "parse_yaml", "read_yaml"]

_INT = re.compile(r"[-+]?[0-9]+")
_HEX_OR_OCTAL = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((s + w for s in ("", "+") for w in (".inf", ".Inf", ".INF")), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# Text that needs no quotes anywhere, in a list on one line either.
_PLAIN = re.compile(r"[A-Za-z_/](?:[\w./+-]| (?=\w))*", re.ASCII)


class _UnreadableError(Exception):
    """Valid YAML that natlib does not read, with its line and column."""

    def __init__(self, event: Event, text: str) -> None:
        super().__init__(f"{_place(event.start_mark)}: {text}")


def parse_scalar(text: str) -> Any:
    """A value without quotes, as YAML 1.2's core schema reads it: None, bool, int, float or str.

    Raises:
        ValueError: a whole number with more digits than Python converts.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _HEX_OR_OCTAL.fullmatch(text):
        return int(text, base=0)
    return float(text) if _FLOAT.fullmatch(text) else text


def parse_yaml(text: str, name: str) -> Any:
    """The value that a YAML text holds; None for an empty one.

    Args:
        text: one document.
        name: what the text is called in an error.

    Raises:
        ConfigError: it cannot be parsed, or holds something that is not read here.
    """
    try:
        return _document(_yaml().parse(io.StringIO(text)))
    except MarkedYAMLError as error:
        what = " ".join((error.problem or error.context or "it is not valid YAML").split())
        mark = error.problem_mark or error.context_mark
        where = f"{_place(mark)}: " if mark is not None else ""
        raise ConfigError(f"cannot read {name}: {where}{what}") from error
    except (_UnreadableError, YAMLError, ValueError) as error:
        raise ConfigError(f"cannot read {name}: {' '.join(str(error).split())}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a YAML file, or from a JSON file where the name ends in ``.json``.

    Raises:
        ConfigError: the file is missing, cannot be parsed or holds something else.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: it is not UTF-8 text") from error
    value = _parse_json(text, path) if path.suffix == ".json" else parse_yaml(text, str(path))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds a {type(value).__name__}; expected keys and values")
    return value


def dump_yaml(value: Any, flow: bool = False) -> str:
    """A value as a YAML 1.2 text that :func:`parse_yaml` reads as the same value.

    Args:
        value: mappings with string keys, lists, strings, numbers, booleans and None.
        flow: on one line, ``{a: [1, 2]}``, in place of a line for each key.
    """
    yaml = _yaml()
    yaml.Representer = _Representer
    yaml.default_flow_style = flow
    yaml.width = 1_000_000
    yaml.sort_base_mapping_type_on_output = False
    out = io.StringIO()
    yaml.dump(value, out)
    # A value by itself ends with the marker of an open document.
    return out.getvalue().removesuffix("...\n")


def _yaml() -> Any:
    return YAML(typ="safe", pure=True)


class _Representer(SafeRepresenter):
    """Values as YAML; text in double quotes wherever another reader could take it for more."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        plain = _PLAIN.fullmatch(data) and isinstance(parse_scalar(data), str)
        return self.represent_scalar("tag:yaml.org,2002:str", data, None if plain else '"')


_Representer.add_representer(str, _Representer.represent_str)


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _document(events: Iterator[Event]) -> Any:
    value: Any = None
    documents = 0
    for event in events:
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _UnreadableError(event, "a second document; put everything into the first")
            if event.version not in (None, (1, 2)):
                raise _UnreadableError(event, "another YAML than 1.2; remove the line with %YAML")
        elif isinstance(event, AliasEvent | ScalarEvent | SequenceStartEvent | MappingStartEvent):
            value = _value(event, events, 0)
    return value


def _value(event: Any, events: Iterator[Event], depth: int) -> Any:
    """The value that begins with an event; takes the events up to its end."""
    if event.anchor is not None:
        raise _UnreadableError(
            event,
            "anchors (&name) and aliases (*name) are not read; write the value out, or put quotes "
            "around text",
        )
    if event.ctag is not None:
        raise _UnreadableError(
            event, f"tags ({event.tag}) are not read; remove it, or put quotes around text"
        )
    if depth > DEEPEST:
        raise _UnreadableError(event, f"more than {DEEPEST} levels of keys and lists")
    if isinstance(event, SequenceStartEvent):
        items = []
        while not isinstance(inner := next(events), SequenceEndEvent):
            items.append(_value(inner, events, depth + 1))
        return items
    if isinstance(event, MappingStartEvent):
        return _mapping(events, depth)
    # The first of the two tells whether the scalar is plain, without quotes.
    return parse_scalar(event.value) if event.implicit[0] else event.value


def _mapping(events: Iterator[Event], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    while not isinstance(event := next(events), MappingEndEvent):
        if not isinstance(event, ScalarEvent):
            raise _UnreadableError(event, "a key is a word; lists, mappings and aliases are none")
        _value(event, events, depth)
        key = event.value
        if key in found:
            raise _UnreadableError(
                event,
                f"duplicate key '{key}', as in line {lines[key]}; remove one of them",
            )
        lines[key] = event.start_mark.line + 1
        found[key] = _value(next(events), events, depth + 1)
    return found


def _parse_json(text: str, path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"duplicate key '{key}' in one object; remove one of them")
            found[key] = value
        return found

    try:
        return parse_json(text, unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"cannot read {path}: {where}: {error.msg}") from error
    except ValueError as error:
        raise ConfigError(f"cannot read {path}: {' '.join(str(error).split())}") from error
