"""The lines of ``metrics.jsonl``."""

from pathlib import Path
from typing import Any

from natlib.runtime.reading import MIB, parse_json, read_bytes

__all__ = ["read_metric_lines"]

Line = dict[str, Any]


def read_metric_lines(path: Path) -> tuple[list[Line], list[int]]:
    """The lines that are whole, and the numbers of those that are damaged, from 1.

    The last line may be half written, of a run that goes on or was killed: it does not count as
    damaged.

    Raises:
        OSError: the file cannot be read.
    """
    lines: list[Line] = []
    damaged = []
    texts = read_bytes(path, 4096 * MIB).splitlines()
    for number, text in enumerate(texts, start=1):
        try:
            line = parse_json(text.decode("utf-8-sig"))
            values = {
                name: None if value is None else float(value)
                for name, value in line.items()
                if name not in ("step", "epoch")
            }
            lines.append({"step": int(line["step"]), "epoch": int(line["epoch"]), **values})
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            if number < len(texts):
                damaged.append(number)
    return lines, damaged
