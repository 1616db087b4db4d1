"""How far a reassignment is, in memory and in a file."""

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from natlib.errors import CheckpointError
from natlib.runtime.reading import check_file
from natlib.runtime.storage import flush

__all__ = ["Cursor", "State"]

_FORMAT = "2"


@dataclass
class Cursor:
    """Where the work stands.

    Attributes:
        pass_number: counted from 0.
        layer: of the table, within the pass.
        group: groups of this layer that are done in this pass.
        costs: of the table, averaged over samples and layers: before, and after each
            finished pass.
        similarity: so far in this pass, in units.
        before: in the first pass, similarity of the table as it was, in units.
        total: in the first pass, the sum of all targets.
        square: in the first pass, the sum of their squared lengths.
        seconds: of work.
    """

    pass_number: int = 0
    layer: int = 0
    group: int = 0
    costs: list[float] = field(default_factory=list)
    similarity: int = 0
    before: int = 0
    total: list[float] = field(default_factory=list)
    square: float = 0.0
    seconds: float = 0.0


@dataclass
class State:
    """All that a reassignment needs to go on.

    Attributes:
        start: int64[m, n], the table as it was.
        permutation: int64[m, n], the table as it is.
        order: int64[s], the groups of the layer in work, one after the other.
        cursor: where the work stands.
        about: what features, targets and settings these are.
    """

    start: NDArray[np.int64]
    permutation: NDArray[np.int64]
    order: NDArray[np.int64]
    cursor: Cursor
    about: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write beside and rename: killed at any moment, a whole file is there.

        Raises:
            CheckpointError: it cannot be written.
        """
        partial = path.with_name(path.name + ".partial")
        tensors = {
            "start": torch.from_numpy(self.start),
            "permutation": torch.from_numpy(self.permutation).clone(),
            "order": torch.from_numpy(self.order).clone(),
        }
        note = {
            "format": _FORMAT,
            "cursor": json.dumps(asdict(self.cursor)),
            "about": json.dumps(self.about),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, note)
            flush(partial)
            partial.replace(path)
            flush(path.parent)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise CheckpointError(
                f"the state of the reassignment cannot be written to {path}: {error}; "
                "free some space"
            ) from error

    def resume(self, path: Path) -> None:
        """Continue from a file of the same reassignment.

        Raises:
            CheckpointError: it cannot be read, or belongs to other features, targets, settings
                or another table.
        """
        try:
            check_file(path)
            with safe_open(path, framework="pt") as held:
                note = held.metadata()
                if note["format"] != _FORMAT:
                    raise ValueError(f"format {note['format']}, not {_FORMAT}")
                about, cursor = json.loads(note["about"]), Cursor(**json.loads(note["cursor"]))
                start, now, order = (
                    held.get_tensor(name).numpy() for name in ("start", "permutation", "order")
                )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise CheckpointError(
                f"the state of a reassignment in {path} cannot be read: {why}; "
                "remove it to start anew"
            ) from error
        other = [name for name in self.about if about.get(name) != self.about[name]]
        if not other and not any(np.array_equal(self.permutation, t) for t in (start, now)):
            other = ["table"]
        if other:
            raise CheckpointError(
                f"{path} holds the state of a reassignment with another {' and '.join(other)}; "
                "remove it to start anew, or call with what it was started with"
            )
        self.start, self.order, self.cursor = start, order, cursor
        self.permutation[:] = now
