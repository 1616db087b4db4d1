"""What is wrong with a configuration, in one line."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from natlib.escaping import short, shown

__all__ = ["describe", "describe_saved"]


def describe(error: Exception) -> str:
    """What is wrong with a configuration, in one line with dotted keys."""
    if isinstance(error, ValidationError):
        return "; ".join(_one(detail) for detail in error.errors()[:3])
    return short(" ".join(str(error).split()))


def describe_saved(error: Exception) -> str:
    """What is wrong with a configuration that natlib has written, in one line.

    A kind that is not known was known to the program that wrote it.
    """
    text = describe(error)
    details = error.errors() if isinstance(error, ValidationError) else []
    contexts = [detail.get("ctx", {}) for detail in details]
    if isinstance(error, PydanticCustomError):  # of a component alone
        contexts = [error.context or {}]
    groups = [context["group"] for context in contexts if "group" in context]
    if groups:
        text += (
            "; a kind of your own has to be imported first (import the module that registers it), "
            f"or installed with an entry point in the group {groups[0]}"
        )
    return text


def _one(detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    context = detail.get("ctx", {})
    if detail["type"] == "unknown_key":
        group = f"{path}." if path else ""
        return short(f"unknown key '{group}{context['key']}'; {context['where'].text(group)}")
    if detail["type"] == "unread_setting":
        return short(context["unread"].text(f"{path}." if path else ""))
    text = short(detail["msg"].removeprefix("Value error, "))
    text = text[0].lower() + text[1:]
    if detail["type"] == "missing":
        text = "a value is needed"
    elif detail["type"] != "component" and not isinstance(detail["input"], Mapping | BaseModel):
        # The input of a check on a whole group is that group: too long to show.
        text = f"{text}, got {shown(detail['input'])}"
    return f"{short(path)}: {text}" if path else text
