"""From what a user calls a source to the source."""

import difflib
from itertools import islice
from pathlib import Path

from natlib.errors import DataError
from natlib_image.sources.base import Source
from natlib_image.sources.digits import Digits
from natlib_image.sources.folder import Folder
from natlib_image.sources.npz import Npz
from natlib_image.sources.torchvision_sets import SETS, TorchvisionSet

__all__ = ["find_source", "is_path"]


def is_path(source: str | None) -> bool:
    """Whether a source is a path rather than the name of a known set."""
    return source is not None and source not in {"digits", *SETS}


def find_source(source: str | None, root: str | None, download: bool) -> Source:
    """The source of a name or a path; a known name wins, so write ``./digits`` for a folder.

    Args:
        source: None or ``digits``, the name of a torchvision set, a folder, or an .npz file.
        root: where torchvision keeps its sets.
        download: whether torchvision may fetch what is not there.

    Raises:
        DataError: neither an existing path nor a known set.
    """
    if source is None or source == "digits":
        return Digits()
    if source in SETS:
        return TorchvisionSet(source, root, download)
    path = Path(source).expanduser()
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() == ".npz" and path.is_file():
        return Npz(path)
    if path.exists():
        raise DataError(
            f"the source {source} is a file; expected a folder of images, an .npz file "
            "or the name of a known set"
        )
    raise DataError(
        f"the source '{source}' is neither an existing path nor a known set; {_hint(path, source)}"
    )


def _hint(path: Path, source: str) -> str:
    known = ["digits", *SETS]
    beside = islice(path.parent.iterdir(), 1000) if path.parent.is_dir() else ()
    words = known + [str(path.parent / other.name) for other in beside]
    close = difflib.get_close_matches(source, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected a folder of images, an .npz file or one of: {', '.join(known)}"
