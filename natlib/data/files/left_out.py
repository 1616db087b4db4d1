"""What a scan of a folder leaves out, counted and said."""

from collections import Counter
from collections.abc import Mapping

__all__ = ["DANGLING", "HIDDEN", "REPEATED", "SPECIAL", "kind_key", "left_out_notes"]

DANGLING = "dangling"
"""Links to nothing, or to themselves."""
HIDDEN = "hidden"
"""Names that begin with a dot, and what operating systems leave behind."""
REPEATED = "repeated"
"""Folders that a link leads to a second time."""
SPECIAL = "special"
"""Named pipes, sockets and devices."""

_WORDS = {
    DANGLING: ("dangling link", "dangling links"),
    SPECIAL: ("pipe, socket or device", "pipes, sockets or devices"),
    HIDDEN: ("hidden or system file or folder", "hidden or system files and folders"),
    REPEATED: (
        "folder that links lead to a second time",
        "folders that links lead to a second time",
    ),
}
_SHOWN = 4
_LONGEST = 12


def kind_key(extension: str | None) -> str:
    """The key under which a file of another kind is counted: ``.txt``, or ``.`` without one."""
    if extension is None or not extension or len(extension) > _LONGEST:
        return "."
    return f".{extension}"


def left_out_notes(
    counts: Mapping[str, int], where: str, what: str, unavailable: Mapping[str, str]
) -> list[str]:
    """What was left out of a folder, in a line or a few.

    Args:
        counts: by the keys above, and by :func:`kind_key` for files of other kinds.
        where: the folder.
        what: what its samples are called, in the plural (``images``).
        unavailable: extensions of such samples that cannot be read here, and what they need.
    """
    kinds = Counter({key: count for key, count in counts.items() if key.startswith(".")})
    notes = []
    for extension, needs in unavailable.items():
        count = kinds.pop(kind_key(extension), 0)
        if count:
            notes.append(f"left out of {where}: {count:,} .{extension} {what}, which need {needs}")
    parts = []
    if kinds:
        total = kinds.total()
        shown = [
            f"{count:,} {key if key != '.' else 'without an extension'}"
            for key, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
        more = ["..."] if len(shown) > _SHOWN else []
        files = "file of another kind" if total == 1 else "files of other kinds"
        parts.append(f"{total:,} {files} ({', '.join(shown[:_SHOWN] + more)})")
    for key, (one, many) in _WORDS.items():
        if count := counts.get(key, 0):
            parts.append(f"{count:,} {one if count == 1 else many}")
    if parts:
        notes.append(f"left out of {where}: {', '.join(parts)}")
    return notes
