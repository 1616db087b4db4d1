"""A configuration file in which every setting is explained."""

import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from natlib.configuration.yaml12 import dump_yaml

__all__ = ["commented_yaml"]


def commented_yaml(settings: BaseModel) -> str:
    """A configuration as YAML in which every setting is explained by a comment."""
    return "\n".join(_commented(settings, settings.model_dump(mode="json"), 0)) + "\n"


def _commented(settings: BaseModel, plain: Mapping[str, Any], depth: int) -> list[str]:
    """``plain`` is what is written of the settings: those that are read."""
    indent = "  " * depth
    lines: list[str] = []
    for name, field in type(settings).model_fields.items():
        if name not in plain:
            continue
        value = getattr(settings, name)
        if field.description:
            text = " ".join(field.description.replace("``", "'").split())
            lines += [f"{indent}# {line}" for line in textwrap.wrap(text, 92 - len(indent))]
        if isinstance(value, BaseModel):
            inner = _commented(value, plain[name], depth + 1)
            lines += [f"{indent}{name}:", *inner] if inner else [f"{indent}{name}: {{}}"]
        elif value and isinstance(value, Mapping) and _holds_settings(value):
            lines.append(f"{indent}{name}:")
            for key, part in value.items():
                inner = _commented(part, plain[name][key], depth + 2)
                lines += [f"{indent}  {dump_yaml(key).strip()}:", *inner]
        else:
            lines.append(f"{indent}{name}: {dump_yaml(plain[name], flow=True).strip()}")
        if depth == 0:
            lines.append("")
    return lines


def _holds_settings(values: Mapping[str, object]) -> bool:
    return all(isinstance(value, BaseModel) for value in values.values())
