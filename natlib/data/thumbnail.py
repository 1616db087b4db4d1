"""Thumbnails of samples for people: pictures or text."""

import base64
import html
import io
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Thumbnail", "sparkline"]

_COLOURS = ("#2f6fb2", "#c2571a", "#2e8b57", "#8e44ad", "#b8860b", "#c0392b")
_WIDTH = 160
_HEIGHT = 48
# Largest number of points of a line.
_POINTS = 320


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, or a few words.

    Attributes:
        media: what ``data`` is.
        data: a PNG or SVG file, or text in UTF-8.
    """

    media: Literal["image/png", "image/svg+xml", "text/plain"]
    data: bytes

    @classmethod
    def from_pixels(cls, pixels: npt.NDArray[np.uint8]) -> Self:
        """A picture.

        Args:
            pixels: uint8[height, width, 3].

        Raises:
            ValueError: the array has another type or shape.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(
                f"a thumbnail is made of {pixels.dtype} {list(pixels.shape)}; "
                "expected uint8 [height, width, 3]"
            )
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
        return cls("image/png", file.getvalue())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """A thumbnail of text."""
        return cls("text/plain", text.encode("utf-8", "replace"))

    def to_html(self) -> str:
        """An HTML element for a page; it needs no other file."""
        if self.media == "text/plain":
            words = html.escape(self.data.decode("utf-8", "replace"))
            return f'<span class="thumbnail">{words}</span>'
        address = f"data:{self.media};base64,{base64.b64encode(self.data).decode()}"
        return f'<img class="thumbnail" alt="" src="{address}">'


def sparkline(values: npt.ArrayLike) -> Thumbnail:
    """A thumbnail of curves, all on one scale.

    Args:
        values: float[t] or float[c, t], one curve for each of c channels; a curve is broken
            where a value is not finite.
    """
    curves = np.atleast_2d(np.asarray(values, dtype=np.float64))
    curves = curves[:, :: max(1, curves.shape[1] // _POINTS)]
    finite = curves[np.isfinite(curves)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    x = np.linspace(2, _WIDTH - 2, curves.shape[1]) if curves.shape[1] > 1 else np.array([2.0])
    # A constant is drawn as a line through the middle.
    scale = (_HEIGHT - 4) / (high - low) if high > low else 0.0
    y = _HEIGHT - 2 - (curves - low) * scale if scale else np.full_like(curves, _HEIGHT / 2)
    lines = []
    for number, (curve, drawn) in enumerate(zip(curves, y, strict=True)):
        known = np.isfinite(curve)
        pen = np.where(np.concatenate([[False], known[:-1]]), "L", "M")
        path = " ".join(
            f"{p}{a:.1f},{b:.1f}"
            for p, a, b in zip(pen[known], x[known], drawn[known], strict=True)
        )
        colour = _COLOURS[number % len(_COLOURS)]
        lines.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-linejoin="round"/>')
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(lines)}</svg>'
    )
    return Thumbnail("image/svg+xml", picture.encode())
