"""Read a file of ``Annotations``: the objects in an image.

The format is described in Everingham et al., "The Pascal Visual Object Classes (VOC)
Challenge", IJCV 2010, and by the files of its development kit.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from natlib.errors import DataError

__all__ = ["VocAnnotation", "VocObject", "read_annotation"]

Box = tuple[float, float, float, float]
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocObject:
    """One object.

    Attributes:
        name: its class.
        box: left, top, right, bottom in pixels, where the image is
            [0, width] x [0, height]: a box of one pixel is 1 wide.
        difficult: whether it is marked as hard to recognise; such objects are ignored.
        truncated: whether it extends beyond its box, at the edge of the image say.
    """

    name: str
    box: Box
    difficult: bool = False
    truncated: bool = False


@dataclass(frozen=True)
class VocAnnotation:
    """The content of an annotation file.

    Attributes:
        width: of the image, in pixels.
        height: of the image, in pixels.
        objects: in the order of the file; there may be none.
    """

    width: int
    height: int
    objects: tuple[VocObject, ...]


def read_annotation(path: Path) -> VocAnnotation:
    """Read and check an annotation; XML entities, which a file could abuse, are refused.

    The files count pixels from 1, and ``xmax`` is the last pixel of the box. Many tools count from
    0 instead, so an ``xmin`` of 0 is read as the edge of the image.

    Raises:
        DataError: the file is missing or is not an annotation, or a box is outside the image; the
            message names the file.
    """
    try:
        root = defusedxml.ElementTree.parse(path).getroot()
    except FileNotFoundError as error:
        raise DataError(
            f"there is no {path}; every image in ImageSets/Main needs an annotation"
        ) from error
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"{path} is not the XML of Pascal VOC: {error}; write it again") from error
    if root.tag != "annotation":
        raise DataError(f"{path} begins with <{root.tag}>; expected <annotation>, as in Pascal VOC")
    width, height = (_size(root, side, path) for side in ("width", "height"))
    # Only direct children: <part> inside an object has a name and a box of its own.
    objects = tuple(_object(element, width, height, path) for element in root.findall("object"))
    return VocAnnotation(width, height, objects)


def _size(root: Any, side: str, path: Path) -> int:
    value = _number(root, f"size/{side}", path)
    if value < 1 or value != int(value):
        raise DataError(f"{path} says that the image's {side} is {value:g}; expected pixels")
    return int(value)


def _object(element: Any, width: int, height: int, path: Path) -> VocObject:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{path} has an object without a <name>; give every object its class")
    left, top, right, bottom = (_number(element, f"bndbox/{side}", path) for side in _SIDES)
    if not (0 <= left <= right <= width and 0 <= top <= bottom <= height):
        raise DataError(
            f"{path}: the box of '{name}', xmin {left:g}, ymin {top:g}, xmax {right:g}, "
            f"ymax {bottom:g}, is not inside the image of {width} x {height} pixels; "
            "correct the box, or the size of the image"
        )
    # A box that ends at 0 lies before the first pixel, unless pixels are counted from 0.
    box = (max(left - 1, 0.0), max(top - 1, 0.0), max(right, 1.0), max(bottom, 1.0))
    return VocObject(
        name, box, _flag(element, "difficult", path), _flag(element, "truncated", path)
    )


def _number(element: Any, where: str, path: Path) -> float:
    text = element.findtext(where)
    try:
        value = float(text)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{path}: <{where.replace('/', '><')}> is {text!r}; expected a number"
        ) from error
    if not math.isfinite(value):
        raise DataError(f"{path}: <{where.replace('/', '><')}> is {text!r}; expected a number")
    return value


def _flag(element: Any, name: str, path: Path) -> bool:
    text = (element.findtext(name) or "0").strip()
    if text not in ("0", "1"):
        raise DataError(f"{path}: <{name}> is {text!r}; expected 0 or 1")
    return text == "1"
