"""Tutorials: notebooks in jupytext's MyST format, executed once while Sphinx reads them.

A page's cells run in order, in this process and in a temporary folder of the page, and share their
names. Below each cell stands what it printed and the figures that it made. A cell that fails ends
the build. A kernel for each notebook, as myst-nb starts one, would import torch six times.
"""

import os
import tempfile
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import jupytext
import matplotlib.pyplot as plt
from docutils import nodes
from docutils.parsers.rst import directives
from pictures.style import one_thread
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

__all__ = ["CodeCell", "execute", "setup"]

# Seen on a light page and on a dark one.
_INK = "#808080"
_STYLE: dict[str, Any] = {
    "figure.figsize": (7.0, 3.2),
    "svg.hashsalt": "natlib",
    "savefig.transparent": True,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
    ),
}


def execute(code: str, names: dict[str, Any], folder: Path, title: str) -> str:
    """Run a cell in a folder; its figures stay open.

    Args:
        code: the cell.
        names: its global names, which are changed.
        folder: the working directory.
        title: the page and the line, for messages.

    Returns:
        what it printed.

    Raises:
        ExtensionError: the cell failed.
    """
    printed = StringIO()
    try:
        with chdir(folder), redirect_stdout(printed), one_thread(), plt.rc_context(_STYLE):
            exec(compile(code, title, "exec"), names)
    except Exception as error:
        raise ExtensionError(f"{title}: {type(error).__name__}: {error}", error) from error
    return printed.getvalue()


class CodeCell(SphinxDirective):
    """``{code-cell}``: the code, what it printed, and its figures."""

    has_content = True
    optional_arguments = 1
    option_spec: ClassVar = {"alt": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        names = self.env.temp_data.setdefault("tutorial", {"__name__": "__main__"})
        folder = self.env.temp_data.setdefault("tutorial_folder", tempfile.TemporaryDirectory())
        code = "\n".join(self.content)
        title = f"{self.env.docname}:{self.lineno}"
        printed = execute(code, names, Path(folder.name), title)
        found: list[nodes.Node] = [nodes.literal_block(code, code, language="python")]
        if printed.strip():
            found.append(nodes.literal_block(printed, printed, language="text"))
        return found + [self.picture(number) for number in plt.get_fignums()]

    def picture(self, number: int) -> nodes.image:
        """A figure as a file, which is closed then."""
        if "alt" not in self.options:
            raise ExtensionError(f"{self.env.docname}:{self.lineno}: its figure has no :alt:")
        docs = Path(self.env.srcdir)
        file = docs / "_generated" / f"{self.env.docname}-{self.lineno}-{number}.svg"
        with plt.rc_context(_STYLE):
            plt.figure(number).savefig(file, bbox_inches="tight", metadata={"Date": None})
        plt.close(number)
        uri = os.path.relpath(file, (docs / self.env.docname).parent)
        return nodes.image(uri=Path(uri).as_posix(), alt=self.options["alt"])


def write_notebooks(app: Sphinx) -> None:
    """The pages as ``.ipynb`` files without outputs, to download."""
    folder = Path(app.srcdir) / "_generated" / "tutorials"
    folder.mkdir(parents=True, exist_ok=True)
    for page in sorted((Path(app.srcdir) / "tutorials").glob("*.md")):
        if page.stem != "index":
            jupytext.write(jupytext.read(page, fmt="md:myst"), folder / f"{page.stem}.ipynb")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("code-cell", CodeCell)
    app.connect("builder-inited", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
