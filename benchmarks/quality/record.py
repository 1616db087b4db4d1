"""Results that stay in the repository: a comparison may take more than one sitting."""

import json
from pathlib import Path
from typing import Any

__all__ = ["Record"]


class Record:
    """Results of runs in a file, found by the settings of the run.

    Args:
        path: the file; None for a record that forgets.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def find(self, settings: list[str]) -> dict[str, Any] | None:
        """What came of the run with these settings, if it is known."""
        runs = (run for found in self._read().values() for run in found)
        return next((run for run in runs if run["settings"] == settings), None)

    def add(self, name: str, found: dict[str, Any]) -> None:
        """Keep what came of a run of a method, or of an ablation, unless it is known."""
        if self._path is None or self.find(found["settings"]) is not None:
            return
        runs = self._read()
        runs.setdefault(name, []).append(found)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(runs, indent=1) + "\n")
        partial.replace(self._path)

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        if self._path is None or not self._path.exists():
            return {}
        found: dict[str, list[dict[str, Any]]] = json.loads(self._path.read_text())
        return found
