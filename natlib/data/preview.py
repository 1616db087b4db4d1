"""Thumbnails of prepared inputs, as encoders get them."""

import numpy as np
from torch import Tensor

from natlib.data.thumbnail import Thumbnail, sparkline

__all__ = ["input_picture"]


def input_picture(inputs: Tensor) -> Thumbnail | None:
    """A picture of one input, chosen by its shape and scaled from its lowest to its highest value.

    Args:
        inputs: float[3, height, width] gives colours, float[1, height, width] greys, and
            float[t] or float[channels, t] curves.

    Returns:
        None for any other shape or type, which only the modality understands.
    """
    if not inputs.is_floating_point() or not inputs.numel():
        return None
    values = inputs.detach().float().cpu().numpy()
    if values.ndim in (1, 2):
        return sparkline(values)
    if values.ndim == 3 and values.shape[0] in (1, 3):
        low, high = float(values.min()), float(values.max())
        share = (values - low) / (high - low) if high > low else np.zeros_like(values)
        pixels = np.asarray((255 * share).round(), dtype=np.uint8).transpose(1, 2, 0)
        return Thumbnail.from_pixels(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return None
