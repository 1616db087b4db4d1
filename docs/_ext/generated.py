"""Makes what pages show and nobody writes by hand: pictures, the command line, presets, settings.

It goes to ``docs/_generated``, which git ignores, before Sphinx reads a page.
"""

from pathlib import Path

import cli_reference
import docstrings
import names
import presets
from pictures import (
    ablations,
    arenas,
    centroids,
    clips,
    detections,
    health,
    solvers,
    sphere,
    targets,
)
from sphinx.application import Sphinx

from natlib import compose
from natlib.configuration import commented_yaml

__all__ = ["generate", "setup"]


def generate(docs: Path) -> None:
    """Write every generated file of the documentation in a folder."""
    modules = names.documented_modules(docs / "api")
    docstrings.show_plain_types(modules)
    folder = docs / "_generated"
    folder.mkdir(exist_ok=True)
    texts = {
        "ablations.md": ablations.table(),
        "cli.md": cli_reference.render(),
        "names.md": names.render(modules),
        "presets.md": presets.render(),
        "solvers.md": solvers.table(),
        "config.yaml": commented_yaml(compose("image")),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    sphere.draw(folder)
    health.draw(folder)
    solvers.draw(folder)
    centroids.draw(folder)
    arenas.draw(folder)
    ablations.draw(folder)
    targets.draw(folder)
    clips.draw(folder)
    detections.draw(folder)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.setup_extension("docstrings")
    app.connect("builder-inited", lambda app: generate(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
