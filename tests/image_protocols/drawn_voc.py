"""A made-up set in the format of Pascal VOC: drawn squares and discs."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw

__all__ = ["annotation_xml", "object_xml", "write_voc"]

Corners = tuple[float, float, float, float]


def object_xml(name: str, box: Corners, *, difficult: int = 0, truncated: int = 0) -> str:
    """An object; ``box`` is xmin, ymin, xmax, ymax as the files have it."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return (
        f"<object><name>{escape(name)}</name><pose>Unspecified</pose>"
        f"<truncated>{truncated}</truncated><difficult>{difficult}</difficult>"
        f"<bndbox>{inner}</bndbox></object>"
    )


def annotation_xml(width: int, height: int, objects: Sequence[str]) -> str:
    return (
        f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        f"{''.join(objects)}</annotation>"
    )


def write_voc(
    root: Path,
    sizes: dict[str, int],
    *,
    width: int = 64,
    height: int = 48,
    smallest: int = 14,
    largest: int = 26,
    seed: int = 0,
) -> Path:
    """Images of one or two shapes and their annotations; returns the folder of the set.

    Args:
        root: the folder of the set, ``VOCdevkit/VOC2007`` say.
        sizes: images in each of ``train``, ``val`` and ``test``.
        width: of the images.
        height: of the images.
        smallest: smallest side of a shape.
        largest: largest side of a shape.
        seed: of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    members: dict[str, list[str]] = {}
    for image_set, count in sizes.items():
        for _ in range(count):
            identifier = f"{sum(map(len, members.values())):06d}"
            members.setdefault(image_set, []).append(identifier)
            # A third has both shapes, side by side; of the others half has each.
            shapes = (("square", "disc"), ("square",), ("disc",))[rng.integers(3)]
            image = PILImage.fromarray(
                rng.integers(90, 130, (height, width, 3), dtype=np.uint8), "RGB"
            )
            draw, objects = ImageDraw.Draw(image), []
            for number, shape in enumerate(shapes):
                side = int(rng.integers(smallest, largest + 1))
                room = width // len(shapes)
                left = int(number * room + rng.integers(0, room - side + 1))
                top = int(rng.integers(0, height - side + 1))
                # PIL draws both ends, as the files of the challenge count them from 1.
                inside = (left, top, left + side - 1, top + side - 1)
                if shape == "square":
                    draw.rectangle(inside, fill=(220, 60, 40))
                else:
                    draw.ellipse(inside, fill=(40, 80, 230))
                objects.append(object_xml(shape, (left + 1, top + 1, left + side, top + side)))
            image.save(root / "JPEGImages" / f"{identifier}.jpg", quality=95)
            file = root / "Annotations" / f"{identifier}.xml"
            file.write_text(annotation_xml(width, height, objects))
    members["trainval"] = sorted(members.get("train", []) + members.get("val", []))
    for image_set, names in members.items():
        file = root / "ImageSets" / "Main" / f"{image_set}.txt"
        file.write_text("".join(f"{name}\n" for name in names))
    return root
