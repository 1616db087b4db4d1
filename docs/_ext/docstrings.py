"""Docstrings of components as the reference shows them.

- A field shows its plain type and its default.
- Shapes such as ``Tensor[b, *input_shape]``, and formulas, are not mistaken for markup.
- A class that is only mentioned by its last name is found.
"""

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, get_type_hints

from docutils import nodes
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import stringify_annotation

__all__ = ["setup", "show_plain_types"]

_LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`)")
_SHAPE = re.compile(r"\b(?:\w+Tensor|Tensor|u?int\d+|float\d*|float)\[[^\]]*\]")
_TUPLE_FIELD = re.compile(r"Alias for field number \d+")
_FROM_TORCH = "Define the computation performed at every call"


def show_plain_types(modules: Iterable[str]) -> None:
    """Replace ``Annotated[float, FieldInfo(...)]`` by ``float`` where autodoc reads types."""
    for module in modules:
        for member in vars(import_module(module)).values():
            if not (inspect.isclass(member) and issubclass(member, BaseModel)):
                continue
            for cls in member.__mro__:
                if cls is not BaseModel and issubclass(cls, BaseModel):
                    own = cls.__annotations__
                    own |= {name: t for name, t in get_type_hints(cls).items() if name in own}


def _improve(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if lines and lines[0].startswith(_FROM_TORCH):
        lines.clear()
    lines[:] = [_plain(line) for line in lines]
    if what in ("attribute", "property"):
        # Napoleon takes "What it is: more" for a type and a description, but not after this.
        lines[:0] = ["..", ""]  # an empty comment
        lines += _default(name)


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of a named tuple, which its docstring explains already."""
    return True if _TUPLE_FIELD.match(inspect.getdoc(obj) or "") else None


def _plain(line: str) -> str:
    parts = _LITERAL.split(line)
    for i in range(0, len(parts), 2):
        shaped = _SHAPE.sub(r"``\g<0>``", parts[i])
        parts[i] = "".join(
            piece if piece.startswith("``") else piece.replace("|", r"\|")
            for piece in _LITERAL.split(shaped)
        )
    return "".join(parts)


def _default(name: str) -> list[str]:
    path, _, field = name.rpartition(".")
    module, _, owner = path.rpartition(".")
    cls = getattr(import_module(module), owner, None) if module else None
    if not (inspect.isclass(cls) and issubclass(cls, BaseModel) and field in cls.model_fields):
        return []
    default = cls.model_fields[field].get_default(call_default_factory=True)
    text = "Needs a value." if default is PydanticUndefined else f"Default: ``{default!r}``"
    if field not in cls.__annotations__:  # autodoc shows types of a class's own fields only
        kind = stringify_annotation(cls.model_fields[field].annotation, "smart")
        text += f" (``{kind.replace('~', '')}``)"
    return ["", text, ""]


def _find_by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    if node.get("refdomain") != "py":
        return None
    ending = "." + node["reftarget"]
    objects = env.domains.python_domain.objects
    found = {name: entry for name, entry in objects.items() if name.endswith(ending)}
    if len(found) != 1:
        return None
    (entry,) = found.values()
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _improve, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _find_by_last_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
