"""Sections, and the page that they make together."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from natlib.errors import CheckpointError

__all__ = ["Section", "note", "render", "write_page"]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        name: its anchor.
        title: its heading.
        template: file in ``templates`` that shows it.
        values: what the template needs. Text in them is escaped, markup is not.
    """

    name: str
    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)


def note(name: str, title: str, text: str) -> Section:
    """A section that says in a sentence why there is nothing to see."""
    return Section(name, title, "note.html.j2", {"text": text})


def render(title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """A page that needs no other file.

    Names and texts of samples come from anywhere. Everything is escaped, and a policy in the
    page lets browsers run natlib's own script and no other, and load nothing at all.

    Args:
        title: of the page.
        facts: pairs of what and how much, for the top of the page.
        sections: what follows.
    """
    environment = _environment()
    script = _text("map.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shown = [
        (section, Markup(environment.get_template(section.template).render(section.values)))
        for section in sections
    ]
    return environment.get_template("page.html.j2").render(
        title=title,
        facts=facts,
        sections=shown,
        # They are natlib's own files, and stand in elements whose content is not escaped.
        style=Markup(_text("page.css")),
        script=Markup(script),
        digest=digest,
        version=metadata.version("natlib"),
    )


def write_page(path: Path, text: str) -> None:
    """Write a page beside and rename it, so that no browser ever opens half of one.

    Raises:
        CheckpointError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", errors="replace")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} could not be written: {error.strerror}; free some space, or choose another "
            "file"
        ) from error


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("natlib.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment


def _text(name: str) -> str:
    return (files("natlib.report") / "templates" / name).read_text(encoding="utf-8")
