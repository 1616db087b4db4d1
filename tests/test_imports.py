"""Imports point one way, command line -> natlib <- adapters, and never in a circle."""

import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "root_packages"
]

# In a process of its own: import-linter switches off every logger that exists.
SCRIPT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def circles(*packages: str) -> list[set[str]]:
    """Groups of modules that import each other, wherever in a module an import stands.

    Imports inside functions count, and so do those for type checkers only.
    """
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    reached = {name: graph.find_upstream_modules(name) for name in graph.modules}
    found: list[set[str]] = []
    for name, upstream in sorted(reached.items()):
        circle = {name} | {other for other in upstream if name in reached[other]}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def test_no_modules_import_each_other() -> None:
    assert circles(*PACKAGES) == []


def test_circles_of_every_sort_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "__init__": "",
        "one": "import circular_toy.two",
        "two": "def late():\n    from circular_toy import three",
        "three": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import circular_toy.one",
        "four": "from circular_toy import one, five",
        "five": "from circular_toy.four import thing",
        "six": "import circular_toy.one, circular_toy.five",
    }
    (tmp_path / "circular_toy").mkdir()
    for name, text in modules.items():
        (tmp_path / "circular_toy" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = [{name.rpartition(".")[2] for name in circle} for circle in circles("circular_toy")]
    assert sorted(found, key=len) == [{"four", "five"}, {"one", "two", "three"}]
