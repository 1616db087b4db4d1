"""Distributions of somebody else, on the path for the length of a test."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

__all__ = ["Install", "installer"]


class Install(Protocol):
    """Puts a distribution with one module and one entry point on the path."""

    def __call__(
        self,
        distribution: str,
        kind: str,
        module: str,
        code: str,
        attribute: str,
        group: str = "natlib.solvers",
    ) -> None: ...


def installer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Yields the function that installs, as an installer would; then forgets the modules."""
    modules: list[str] = []

    def put(
        distribution: str,
        kind: str,
        module: str,
        code: str,
        attribute: str,
        group: str = "natlib.solvers",
    ) -> None:
        place = folder / distribution
        metadata = place / f"{distribution}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{kind} = {module}:{attribute}\n")
        (place / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(place))
        modules.append(module)

    yield put
    for module in modules:
        sys.modules.pop(module, None)
