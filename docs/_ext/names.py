"""What ``natlib`` exports, as a table that links to where each name is explained."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import natlib

__all__ = ["documented_modules", "render"]

_AUTOMODULE = re.compile(r"^\.\. automodule:: (\S+)$", re.MULTILINE)


def documented_modules(pages: Path) -> list[str]:
    """The modules that the reference pages in a folder explain."""
    return [
        name
        for page in sorted(pages.glob("*.md"))
        for name in _AUTOMODULE.findall(page.read_text())
    ]


def render(modules: list[str]) -> str:
    """A Markdown table: each name with the first sentence of its docstring.

    Args:
        modules: where names may be explained.
    """
    lines = ["| name | what it is |", "|---|---|"]
    for name in natlib.__all__:
        home = next(module for module in modules if name in import_module(module).__all__)
        text = inspect.getdoc(getattr(natlib, name)) or ""
        sentence = text.split("\n\n")[0].replace("\n", " ").replace("|", r"\|")
        sentence = sentence.replace("``", "`")
        lines.append(f"| {{py:obj}}`natlib.{name} <{home}.{name}>` | {sentence} |")
    return "\n".join(lines) + "\n"
