"""Docstrings of Python's standard library: real text that every installation has."""

import ast
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from natlib.data import Source, Split
from natlib.errors import DataError
from natlib_text.sources.digests import digest_of

__all__ = ["DocstringTexts", "Docstrings"]

# Not in every installation or version of Python, or without documentation.
_LEFT_OUT = {"distutils", "idlelib", "lib2to3", "test", "tkinter", "turtledemo", "this"}
_NO_CODE = {"__pycache__", "idle_test", "site-packages", "test", "tests"}
_FEWEST_WORDS = 5
# Packages with fewer docstrings than this are left out.
_FEWEST = 80
# Every fifth docstring of each package is a test sample.
_TEST_EVERY = 5

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class DocstringTexts:
    """Docstrings in memory.

    Args:
        texts: the docstrings.
        names: the object that each documents, ``json.decoder.JSONDecoder`` for example.
        labels: int64[n], the package of each.
        classes: names of the packages.
    """

    def __init__(
        self, texts: list[bytes], names: list[str], labels: Tensor, classes: list[str]
    ) -> None:
        self._texts = texts
        self.names: Sequence[str] = names
        self.labels: Tensor | None = labels
        self.classes = classes

    def __len__(self) -> int:
        return len(self._texts)

    def item(self, index: int) -> bytes:
        return self._texts[index]

    def digest(self) -> bytes:
        return digest_of(self._texts)


class Docstrings(Source):
    """Docstrings of modules, classes and functions; the package is the label.

    They are read from the source files without importing any. The set depends on the version of
    Python.
    """

    def split(self, split: Split, cache: Path | None = None) -> DocstringTexts | None:
        if split == "val":
            return None
        found = _standard_library()
        if not found:
            raise DataError(
                "this Python has no source files of its standard library, so there are no "
                "docstrings to train on; give a source (--data)"
            )
        classes = sorted({package for package, _, _ in found})
        labels = np.array([classes.index(package) for package, _, _ in found])
        test = np.zeros(len(found), dtype=bool)
        for label in range(len(classes)):
            test[np.flatnonzero(labels == label)[::_TEST_EVERY]] = True
        rows = np.flatnonzero(test if split == "test" else ~test)
        return DocstringTexts(
            [found[row][2].encode() for row in rows],
            [found[row][1] for row in rows],
            torch.from_numpy(labels[rows]),
            classes,
        )


@lru_cache(maxsize=1)
def _standard_library() -> list[tuple[str, str, str]]:
    """Package, name and text of every docstring, without duplicate names or texts."""
    root = Path(sysconfig.get_path("stdlib"))
    seen: set[str] = set()
    found = []
    for package in sorted(sys.stdlib_module_names - _LEFT_OUT):
        own = []
        if not package.startswith("_"):
            for name, text in _docstrings(root, package):
                # A function that is defined once per platform has one name and several texts.
                if not seen & {name, text} and len(text.split()) >= _FEWEST_WORDS:
                    seen |= {name, text}
                    own.append((package, name, text))
        if len(own) >= _FEWEST:
            found += own
    return found


def _docstrings(root: Path, package: str) -> Iterator[tuple[str, str]]:
    alone = root / f"{package}.py"
    for file in sorted((root / package).rglob("*.py")) or [alone]:
        parts = file.relative_to(root).with_suffix("").parts
        if _NO_CODE & set(parts) or not file.is_file():
            continue
        try:
            tree = ast.parse(file.read_bytes())
        except SyntaxError:  # a deliberately broken file, or a template
            continue
        module = ".".join(part for part in parts if part != "__init__")
        yield from _inside(tree, module)


def _inside(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, _Documented):
        text = ast.get_docstring(node)
        if text:
            yield name, text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):  # expressions, most of a tree, define nothing
            continue
        own = getattr(child, "name", None) if isinstance(child, _Documented) else None
        yield from _inside(child, f"{name}.{own}" if own else name)
