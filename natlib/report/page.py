"""Render sections to a page, and write it."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from natlib.errors import CheckpointError
from natlib.runtime.packages import version
from natlib.runtime.storage import write_file

__all__ = ["Section", "breakable", "note", "render", "write_page"]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        name: its anchor.
        title: its heading.
        template: its file in ``templates``.
        values: the values that the template uses. Text in them is escaped, markup is not.
        half: whether it needs half of a wide screen only.
    """

    name: str
    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    half: bool = False


def note(name: str, title: str, text: str) -> Section:
    """A section with a sentence that says why there is nothing to show."""
    return Section(name, title, "note.html.j2", {"text": text})


def breakable(name: str) -> Markup:
    """A name that a browser may break after slashes, underscores and dots rather than anywhere."""
    parts = re.split(r"(?<=[/_])(?=.)|(?<=\.)(?=[^\W\d])", name)
    return Markup("<wbr>").join(escape(part) for part in parts)


def render(title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """A self-contained HTML page.

    Names and texts of samples are untrusted: everything is escaped, and the page's content security
    policy allows natlib's own script only, and no requests.

    Args:
        title: the title of the page.
        facts: pairs of a name and a value, for the head of the page.
        sections: the sections, in order.
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
        # natlib's own files, in elements whose content must not be escaped.
        style=Markup(_text("page.css")),
        script=Markup(script),
        digest=digest,
        version=version("natlib"),
    )


def write_page(path: Path, text: str) -> None:
    """Write a page to a temporary file and rename it, so that no browser opens a partial page.

    Raises:
        CheckpointError: it cannot be written.
    """
    try:
        write_file(path, text.encode(errors="replace"))
    except OSError as error:
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
    environment.filters["breakable"] = breakable
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment


def _text(name: str) -> str:
    return (files("natlib.report") / "templates" / name).read_text(encoding="utf-8")
