"""Which files are images, and what reading some of them needs."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["EXTENSIONS", "prepare_for", "unavailable"]

EXTENSIONS = (
    "apng",
    "avif",
    "bmp",
    "gif",
    "heic",
    "heif",
    "j2k",
    "jfif",
    "jp2",
    "jpe",
    "jpeg",
    "jpg",
    "mpo",
    "pbm",
    "pgm",
    "png",
    "pnm",
    "ppm",
    "qoi",
    "tga",
    "tif",
    "tiff",
    "webp",
)
"""Suffixes of the names of image files, in upper or lower case."""

_HEIF = ("heic", "heif")
# Suffixes of images that nothing here reads, and what makes images of them that are read.
_CONVERTED = {
    **dict.fromkeys(
        ("3fr", "arw", "cr2", "cr3", "dng", "erf", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2",
         "srw"),
        "another format (darktable-cli photo.{extension} photo.tif, say)",
    ),
    "dcm": "another format (dcmj2pnm +on16 scan.dcm scan.png, say)",
    "jxl": "another format (djxl image.jxl image.png, say)",
}  # fmt: skip
_FEATURES = {
    "avif": "avif",
    "j2k": "jpg_2000",
    "jp2": "jpg_2000",
    "webp": "webp",
}


@cache
def unavailable() -> dict[str, str]:
    """Extensions that cannot be read here, and what they need."""
    from PIL import features

    missing = {
        extension: needs.format(extension=extension) for extension, needs in _CONVERTED.items()
    }
    missing |= {
        extension: f"a Pillow that is built with {feature} (pip install -U pillow)"
        for extension, feature in _FEATURES.items()
        if not features.check(feature)
    }
    if find_spec("pillow_heif") is None:
        missing |= dict.fromkeys(_HEIF, "pillow-heif (pip install 'natlib[heif]')")
    return missing


def prepare_for(path: Path) -> str | None:
    """Load the plug-in of Pillow that a file needs; returns what is missing, if anything."""
    extension = path.suffix.lower().removeprefix(".")
    if extension in _HEIF and extension not in unavailable():
        _register_heif()
    return unavailable().get(extension)


@cache
def _register_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
