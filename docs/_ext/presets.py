"""The presets of every modality as a table, from the files themselves."""

from pathlib import Path

from natlib.configuration import preset_names
from natlib.data import Modality

__all__ = ["render"]


def render() -> str:
    """A Markdown table: each preset with the comment that its file begins with."""
    lines = ["| modality | preset | what it is |", "|---|---|---|"]
    for kind in Modality.registry.kinds():
        folder = Modality.registry.get(kind).presets
        for name in preset_names(folder):
            lines.append(f"| `{kind}` | `{name}` | {_comment(Path(folder) / f'{name}.yaml')} |")
    return "\n".join(lines) + "\n"


def _comment(file: Path) -> str:
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words += line.lstrip("#").split()
    return " ".join(words)
