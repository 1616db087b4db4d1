"""A configuration file in which every setting is explained."""

import textwrap
from collections.abc import Mapping

from pydantic import BaseModel

from natlib.configuration.yaml12 import dump_yaml

__all__ = ["commented_yaml"]


def commented_yaml(settings: BaseModel) -> str:
    """A configuration as YAML in which every setting is explained by a comment."""
    return "\n".join(_commented(settings, 0)) + "\n"


def _commented(settings: BaseModel, depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if field.description:
            text = " ".join(field.description.replace("``", "'").split())
            lines += [f"{indent}# {line}" for line in textwrap.wrap(text, 92 - len(indent))]
        if isinstance(value, BaseModel):
            inner = _commented(value, depth + 1)
            lines += [f"{indent}{name}:", *inner] if inner else [f"{indent}{name}: {{}}"]
        elif value and isinstance(value, Mapping) and _holds_settings(value):
            lines.append(f"{indent}{name}:")
            for key, part in value.items():
                lines += [f"{indent}  {dump_yaml(key).strip()}:", *_commented(part, depth + 2)]
        else:
            plain = settings.model_dump(mode="json", include={name})[name]
            lines.append(f"{indent}{name}: {dump_yaml(plain, flow=True).strip()}")
        if depth == 0:
            lines.append("")
    return lines


def _holds_settings(values: Mapping[str, object]) -> bool:
    return all(isinstance(value, BaseModel) for value in values.values())
