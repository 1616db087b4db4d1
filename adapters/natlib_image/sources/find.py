"""From what a user calls a source to the source."""

from pathlib import Path

from natlib.data import unknown_source
from natlib.data.files import Folder
from natlib.errors import DataError
from natlib_image.decoding import EXTENSIONS
from natlib_image.sources.base import Source
from natlib_image.sources.digits import Digits
from natlib_image.sources.npz import Npz
from natlib_image.sources.torchvision_sets import SETS, TorchvisionSet
from natlib_image_protocols.voc.folder import is_voc_folder
from natlib_image_protocols.voc.source import Voc

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
    if is_voc_folder(path):
        return Voc(path)
    if path.is_dir():
        return Folder(path, EXTENSIONS, "images")
    if path.suffix.lower() == ".npz" and path.is_file():
        return Npz(path)
    if path.exists():
        raise DataError(
            f"the source {source} is a file; expected a folder of images, an .npz file "
            "or the name of a known set"
        )
    known = ["digits", *SETS]
    raise unknown_source(
        source, f"a folder of images, an .npz file or one of: {', '.join(known)}", known
    )
