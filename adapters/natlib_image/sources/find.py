"""Open the source of images that a user names."""

from pathlib import Path

from natlib.data import Source, name_note, plugin_source, unknown_source
from natlib.data.files import Folder
from natlib.errors import DataError
from natlib_image.formats import EXTENSIONS, unavailable
from natlib_image.levels import Range
from natlib_image.sources.digits import Digits
from natlib_image.sources.npz import Npz
from natlib_image.sources.torchvision_sets import SETS, TorchvisionSet

__all__ = ["NAMES", "find_source"]

NAMES = ("digits", *SETS)
"""Sources that have a name of their own."""


def find_source(
    source: str | None, root: str | None, download: bool, levels: Range | None = None
) -> Source:
    """Open a source by its name or path.

    A name wins here; a user's folder of that name has become an absolute path before, see
    :func:`natlib.data.stable_source`.

    Args:
        source: None or ``digits``, the name of a torchvision set, what a plug-in recognises, a
            folder, or an .npz file.
        root: where torchvision keeps its sets.
        download: whether torchvision may fetch what is not there.
        levels: the range of arrays that are not uint8; None to recognise it.

    Raises:
        DataError: the source is neither an existing path nor a known name.
    """
    if source is None or source == "digits":
        return Digits()
    if source in SETS:
        return TorchvisionSet(source, root, download)
    plugin: Source | None = plugin_source("image", source)
    if plugin is not None:
        return plugin
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".npz" and path.is_file():
        return Npz(path, levels)
    if path.exists():
        raise DataError(
            f"the source {source} is a file; expected a folder of images, an .npz file "
            "or the name of a known set"
        )
    expected = f"a folder of images, an .npz file or one of: {', '.join(NAMES)}"
    raise unknown_source(source, expected, NAMES)


def _folder(path: Path) -> Folder:
    missing = unavailable()
    readable = [extension for extension in EXTENSIONS if extension not in missing]
    return Folder(path, readable, "images", missing, name_note(path, NAMES))
